// Exit reasons and errors on their way from one process to another.
#include "wire/reason_codec.h"

#include <gtest/gtest.h>

#include <capnp/message.h>

#include <csignal>

namespace troupe::wire {
namespace {

ExitReason passed(const ExitReason& reason) {
  capnp::MallocMessageBuilder message;
  write(message.initRoot<ExitReasonData>(), reason);
  return read(message.getRoot<ExitReasonData>().asReader());
}

Error passed(const Error& error) {
  capnp::MallocMessageBuilder message;
  write(message.initRoot<ErrorData>(), error);
  return read(message.getRoot<ErrorData>().asReader());
}

TEST(ReasonCodec, AReasonComesOutAsItWentIn) {
  for (std::uint16_t kind = 0; kind <= static_cast<std::uint16_t>(ExitKind::notStarted); ++kind) {
    const ExitReason reason = {.kind = static_cast<ExitKind>(kind),
                               .code = -7,
                               .coreDumped = true,
                               .duringStart = true,
                               .text = "t"};
    EXPECT_EQ(passed(reason), reason) << kind;
  }
  EXPECT_EQ(passed(ExitReason{}), ExitReason{});
}

TEST(ReasonCodec, AnErrorComesOutAsItWentIn) {
  const Error crashed = Error::crashed("calling Till.pay of /till",
                                       {.kind = ExitKind::signaled, .code = SIGSEGV, .coreDumped = true});
  EXPECT_EQ(passed(crashed).kind(), ErrorKind::crashed);
  EXPECT_EQ(passed(crashed).message(), crashed.message());
  EXPECT_EQ(passed(crashed).exitReason(), crashed.exitReason());
  const Error system = Error::system("cannot open a door", EACCES);
  EXPECT_EQ(passed(system).systemError(), EACCES);
  EXPECT_EQ(passed(system).message(), system.message()) << "nothing is appended a second time";
}

TEST(ReasonCodec, ValuesOfANewerPeerBecomeKnownOnes) {
  capnp::MallocMessageBuilder message;
  auto data = message.initRoot<ErrorData>();
  data.setKind(999);
  data.initReason().setKind(999);
  const Error error = read(data.asReader());
  EXPECT_EQ(error.kind(), ErrorKind::invalid);
  EXPECT_EQ(error.exitReason().kind, ExitKind::exited);
}

TEST(ReasonCodec, ATextOfAnyLengthIsCutBetweenCharacters) {
  std::string text(kMaxReasonText - 1, 'x');
  EXPECT_EQ(passed(ExitReason{.text = text}).text, text);
  EXPECT_EQ(passed(ExitReason{.text = text + "yz"}).text, text + "y");
  EXPECT_EQ(passed(ExitReason{.text = text + "\u20ac" + "z"}).text, text) << "half a euro is none";
  EXPECT_EQ(passed(Error(ErrorKind::refused, std::string(1'000'000, 'x'))).message().size(), kMaxReasonText);
}

TEST(ReasonCodec, ATextFromAPeerIsCutToo) {
  capnp::MallocMessageBuilder message;
  auto data = message.initRoot<ExitReasonData>();
  data.setText(std::string(50'000, 'x').c_str());
  EXPECT_EQ(read(data.asReader()).text.size(), kMaxReasonText);
}

TEST(ReasonCodec, ATextMayHoldAnything) {
  const std::string text("a\0b\xff\n", 5);
  EXPECT_EQ(passed(ExitReason{.text = text}).text, text);
}

}  // namespace
}  // namespace troupe::wire
