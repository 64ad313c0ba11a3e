#include "os/client_socket.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <troupe/error.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <vector>

#include "os/channel.h"
#include "tests/support/scratch.h"

namespace {

using namespace troupe::os;
using troupe::Error;

constexpr std::chrono::seconds kPatience{30};

class ClientSocketTest : public testing::Test {
 protected:
  void SetUp() override { ::setenv("TROUPE_RUNTIME_DIR", (base_ / "run").c_str(), 1); }
  void TearDown() override { ::unsetenv("TROUPE_RUNTIME_DIR"); }
  // A process that listens, and is killed.
  static pid_t killedListener(const std::string& folder) {
    int told[2];
    if (::pipe(told) < 0) std::abort();
    const pid_t child = ::fork();
    if (child == 0) {
      const auto socket = clientSocketOf("shop", folder);
      const Fd listener = listenForClients(socket);
      static_cast<void>(!::write(told[1], "x", 1));
      for (;;) ::pause();
    }
    char byte;
    static_cast<void>(!::read(told[0], &byte, 1));
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    ::close(told[0]);
    ::close(told[1]);
    return child;
  }

  tests::Scratch base_;
};

TEST_F(ClientSocketTest, IsFoundByItsAppWithItsPidAndIsItsOwnersAlone) {
  const std::string folder = clientFolder();
  const auto socket = clientSocketOf("my.shop", folder);
  const Fd listener = listenForClients(socket);

  const auto found = clientSockets(folder);

  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].app, "my.shop");
  EXPECT_EQ(found[0].pid, ::getpid());
  struct stat status = {};
  ASSERT_EQ(::stat(socket.path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600U);
  ASSERT_EQ(::stat(folder.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0700U);
  removeClientSocket(socket);
  EXPECT_TRUE(clientSockets(folder).empty());
}

TEST_F(ClientSocketTest, OneOfADeadProcessIsRemovedByWhoeverSeesIt) {
  const std::string folder = clientFolder();
  const pid_t dead = killedListener(folder);
  ASSERT_TRUE(std::filesystem::exists(folder + "/shop." + std::to_string(dead)));

  EXPECT_TRUE(clientSockets(folder).empty());

  EXPECT_TRUE(std::filesystem::is_empty(folder));
}

TEST_F(ClientSocketTest, WhatIsNoSocketIsLeftAlone) {
  const std::string folder = clientFolder();
  std::ofstream(folder + "/shop.1") << "text";
  std::ofstream(folder + "/notes") << "text";

  EXPECT_TRUE(clientSockets(folder).empty());

  EXPECT_TRUE(std::filesystem::exists(folder + "/shop.1"));
}

TEST_F(ClientSocketTest, AConnectionCarriesWholeMessagesFromThisUser) {
  const auto socket = clientSocketOf("shop", clientFolder());
  const Fd listener = listenForClients(socket);

  const Fd client = connectToClientSocket(socket, kPatience);

  ASSERT_TRUE(client.valid());
  EXPECT_TRUE(peerIsAllowed(client));
  const std::byte word[8] = {};
  EXPECT_EQ(sendOn(client.get(), word), ChannelState::done);
}

TEST_F(ClientSocketTest, ConnectingToOneThatHasGoneFindsNobody) {
  const std::string folder = clientFolder();
  const pid_t dead = killedListener(folder);
  EXPECT_FALSE(
      connectToClientSocket({"shop", dead, folder + "/shop." + std::to_string(dead)}, kPatience).valid());
  EXPECT_FALSE(connectToClientSocket({"shop", 1, folder + "/shop.1"}, kPatience).valid());
}

TEST_F(ClientSocketTest, WhereNobodyIsTakenInConnectingEndsInTime) {
  const auto socket = clientSocketOf("shop", clientFolder());
  const Fd listener = listenForClients(socket);
  std::vector<Fd> waiting;
  try {
    for (int i = 0; i < 1000; ++i)
      waiting.push_back(connectToClientSocket(socket, std::chrono::milliseconds(20)));
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), troupe::ErrorKind::timedOut);
    EXPECT_NE(error.message().find(socket.path), std::string::npos) << error.message();
  }
}

TEST_F(ClientSocketTest, APathThatIsTooLongIsAnErrorThatNamesIt) {
  ::setenv("TROUPE_RUNTIME_DIR", (base_ / std::string(100, 'x')).c_str(), 1);
  const std::string folder = clientFolder();
  try {
    static_cast<void>(listenForClients(clientSocketOf("shop", folder)));
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(error.message().find("too long"), std::string::npos) << error.message();
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder));
}

TEST_F(ClientSocketTest, AFolderThatOthersMayWriteToIsRefused) {
  std::filesystem::create_directory(base_ / "run");
  ::chmod((base_ / "run").c_str(), 0777);
  EXPECT_THROW(clientFolder(), Error);
}

TEST_F(ClientSocketTest, ALinkOrAFileInThePlaceOfTheFolderIsRefused) {
  std::filesystem::create_directory(base_ / "other");
  std::filesystem::create_symlink(base_ / "other", base_ / "run");
  EXPECT_THROW(clientFolder(), Error);
}

TEST_F(ClientSocketTest, TheUsersRuntimeFolderIsTakenWhereNothingElseIsSaid) {
  ::unsetenv("TROUPE_RUNTIME_DIR");
  const char* const before = std::getenv("XDG_RUNTIME_DIR");
  const std::string kept = before == nullptr ? "" : before;
  ::setenv("XDG_RUNTIME_DIR", base_.path().c_str(), 1);
  EXPECT_EQ(clientFolder(), base_ / "troupe");
  kept.empty() ? ::unsetenv("XDG_RUNTIME_DIR") : ::setenv("XDG_RUNTIME_DIR", kept.c_str(), 1);
}

}  // namespace
