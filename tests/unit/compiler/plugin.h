// A folder with schemas, and the Cap'n Proto compiler run on them with the plug-in under test.
#pragma once

#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

namespace troupe::tests {

struct Outcome {
  int exitCode = -1;
  std::string output;  // both streams
};

class PluginTest : public testing::Test {
 protected:
  PluginTest() {
    std::string name = (std::filesystem::temp_directory_path() / "troupe-compiler-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("no temporary folder " + name);
    folder_ = name;
  }
  ~PluginTest() override { std::filesystem::remove_all(folder_); }

  const std::filesystem::path& folder() const { return folder_; }

  // A schema with an id before it, in the first line.
  void schema(const std::string& name, const std::string& text) {
    file(name, "@0xd5b6c3a0f1e247" + std::to_string(10 + ++count_) + "; " + text);
  }
  void file(const std::string& name, const std::string& text) {
    std::filesystem::create_directories((folder_ / name).parent_path());
    std::ofstream(folder_ / name) << text;
  }
  std::string read(const std::string& name) const {
    std::ostringstream text;
    text << std::ifstream(folder_ / name).rdbuf();
    return text.str();
  }
  bool exists(const std::string& name) const { return std::filesystem::exists(folder_ / name); }

  // Runs a shell command in the folder; $PLUGIN and $CAPNP are the two programs.
  Outcome shell(const std::string& command) const {
    const std::string whole = "cd '" + folder_.string() +
                              "' && export CAPNP='" TROUPE_CAPNP "' PLUGIN='" TROUPE_CAPNPC_TROUPE "' && { " +
                              command + "; } 2>&1";
    Outcome outcome;
    std::FILE* pipe = popen(whole.c_str(), "r");
    if (pipe == nullptr) throw std::runtime_error("can't run " + whole);
    for (int c = std::fgetc(pipe); c != EOF; c = std::fgetc(pipe)) outcome.output += static_cast<char>(c);
    const int status = pclose(pipe);
    outcome.exitCode = WIFEXITED(status) ? WEXITSTATUS(status) : 128;
    return outcome;
  }
  Outcome compile(const std::string& name) const { return shell("$CAPNP compile -o$PLUGIN " + name); }

  // Compiles one schema that must be refused, and returns what is said.
  std::string refusal(const std::string& text) {
    schema("x.capnp", text);
    const auto outcome = compile("x.capnp");
    EXPECT_NE(outcome.exitCode, 0);
    EXPECT_FALSE(exists("x.actor.h"));
    return outcome.output;
  }

 private:
  std::filesystem::path folder_;
  int count_ = 0;
};

}  // namespace troupe::tests
