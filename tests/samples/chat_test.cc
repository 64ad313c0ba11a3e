// The sample chat: all hear what is said, and who crashes takes nobody along.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>

#include "tests/support/program.h"

namespace tests {
namespace {

class Guest {
 public:
  Guest(Program& chat, unsigned port, const std::string& name) : chat_(chat) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    EXPECT_TRUE(hears("Your name?\n"));
    say(name);
  }
  ~Guest() { ::close(fd_); }
  Guest(const Guest&) = delete;

  void say(const std::string& text) const {
    const std::string line = text + "\n";
    EXPECT_EQ(::send(fd_, line.data(), line.size(), MSG_NOSIGNAL), static_cast<ssize_t>(line.size()));
  }
  bool hears(const std::string& text) {
    return chat_.waitUntil([&] { return read() && heard_.find(text) != std::string::npos; });
  }
  bool isLeft() {
    return chat_.waitUntil([&] { return !read(); });
  }
  std::size_t count(const std::string& text) const {
    std::size_t count = 0;
    for (auto at = heard_.find(text); at != std::string::npos; at = heard_.find(text, at + 1)) ++count;
    return count;
  }

 private:
  // False at the end.
  bool read() {
    char buffer[4096];
    const ssize_t bytes = ::recv(fd_, buffer, sizeof buffer, MSG_DONTWAIT);
    if (bytes > 0) heard_.append(buffer, static_cast<std::size_t>(bytes));
    return bytes > 0 || (bytes < 0 && errno == EAGAIN);
  }

  Program& chat_;
  int fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  std::string heard_;
};

void killAt(const Program& chat, const std::string& path) {
  for (const Process& process : chat.processes()) {
    if (process.path() == path) ::kill(process.pid, SIGKILL);
  }
}

TEST(ChatTest, AllHearAllThoughOneCrashesAndTheTopicToo) {
  Program chat(samplePath("chat"), {"0"});
  const auto line = chat.waitForLine("chat listens on port ");
  ASSERT_TRUE(line) << chat.errors();
  const auto port = static_cast<unsigned>(std::strtoul(line->substr(line->rfind(' ')).c_str(), nullptr, 10));

  Guest ada(chat, port, "Ada");
  ada.say("is anybody there?");
  ASSERT_TRUE(ada.hears("Ada: is anybody there?\n"));
  Guest bob(chat, port, "Bob");
  ASSERT_TRUE(bob.hears("Ada: is anybody there?\n")) << "it was said last";
  Guest cid(chat, port, "Cid");
  ASSERT_TRUE(cid.hears("Ada: is anybody there?\n"));
  bob.say("me");
  for (Guest* guest : {&ada, &bob, &cid}) ASSERT_TRUE(guest->hears("Bob: me\n"));

  killAt(chat, "/connections/connection:2");
  ASSERT_TRUE(bob.isLeft());
  killAt(chat, "/lobby");
  ada.say("and now?");
  cid.say("me too");
  for (Guest* guest : {&ada, &cid}) {
    EXPECT_TRUE(guest->hears("Ada: and now?\n")) << chat.errors();
    EXPECT_TRUE(guest->hears("Cid: me too\n")) << chat.errors();
    EXPECT_EQ(guest->count("Bob: me\n"), 1U);
  }

  chat.signal(SIGTERM);
  const auto end = chat.waitForEnd();
  ASSERT_TRUE(end) << describe(chat.processes());
  EXPECT_EQ(end->code, 0) << chat.errors();
  EXPECT_EQ(describe(chat.leftovers()), "");
}

}  // namespace
}  // namespace tests
