// A shop that runs, in a folder for sockets of the test's own, and what the command says of it.
#pragma once

#include <gtest/gtest.h>
#include <troupe/error.h>

#include <cstdlib>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "os/client_socket.h"
#include "tests/support/json.h"
#include "tests/support/scratch.h"
#include "tests/support/shop.h"

namespace tests {

namespace fs = std::filesystem;

class ClientTest : public testing::Test {
 protected:
  void SetUp() override { ::setenv("TROUPE_RUNTIME_DIR", (base_ / "run").c_str(), 1); }
  void TearDown() override { ::unsetenv("TROUPE_RUNTIME_DIR"); }

  std::unique_ptr<Program> openShop(const std::string& what = "", std::vector<std::string> environment = {}) {
    auto shop = std::make_unique<Program>(ownPath(), std::vector<std::string>{"shop", what}, environment);
    EXPECT_TRUE(shop->waitForLine("open")) << shop->errors();
    return shop;
  }
  std::string socketOf(const Program& shop) const {
    return (base_ / "run/shop.") + std::to_string(shop.pid());
  }
  troupe::os::Fd connectTo(const Program& shop) const {
    return troupe::os::connectToClientSocket({"shop", shop.pid(), socketOf(shop)}, kPatience);
  }
  static JsonValue json(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "--json");
    const Said said = troupeSays(arguments);
    EXPECT_EQ(said.code, 0) << said.err;
    return parseJson(said.out);
  }
  // The actors of the only app, by their paths.
  static std::map<std::string, JsonValue> actors() {
    std::map<std::string, JsonValue> all;
    const JsonValue said = json({"ps"});
    for (const JsonValue& actor : said["apps"][0]["actors"].items) all[actor["path"].text] = actor;
    return all;
  }
  static std::string schema() { return sourcePath("tests/schemas/till.capnp"); }
  std::string saved(int number) const {
    const std::string file = base_ / std::to_string(number) + ".letter";
    EXPECT_EQ(troupeSays({"dead-letters", "shop", "save", std::to_string(number), file}).code, 0);
    return file;
  }

  Scratch base_;
};

}  // namespace tests
