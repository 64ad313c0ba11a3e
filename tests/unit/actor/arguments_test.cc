// Constructor arguments and specs on their way into another process.
#include <gtest/gtest.h>
#include <troupe/argument.h>
#include <troupe/error.h>
#include <unistd.h>

#include <cstdint>
#include <limits>

#include "actor/spec_codec.h"
#include "greeter.actor.h"
#include "tests/unit/os/children.h"

namespace troupe {
namespace {

using detail::constructFrom;

enum class Size : std::uint8_t { small, large };

template <class... T>
struct Takes {
  explicit Takes(T... given) : values(std::move(given)...) {}
  std::tuple<T...> values;
};

template <class T>
T passed(Argument value) {
  return std::get<0>(constructFrom<Takes<T>>({std::move(value)})->values);
}

template <class T>
std::string refusal(Argument value) {
  try {
    static_cast<void>(passed<T>(std::move(value)));
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::invalid);
    return error.message();
  }
  return "not refused";
}

template <class T>
void expectWholeRange() {
  for (const T value : {std::numeric_limits<T>::min(), T{1}, std::numeric_limits<T>::max()}) {
    EXPECT_EQ(passed<T>(detail::toArgument(value)), value);
  }
  if constexpr (sizeof(T) < 8) {
    const auto above = std::int64_t{std::numeric_limits<T>::max()} + 1;
    EXPECT_NE(refusal<T>(above).find("in the range of the parameter"), std::string::npos);
    EXPECT_NE(refusal<T>(std::int64_t{std::numeric_limits<T>::min()} - 1), "not refused");
  }
}

TEST(Arguments, OfEveryKindReachAConstructor) {
  EXPECT_TRUE(passed<bool>(true));
  EXPECT_EQ(passed<Size>(detail::toArgument(Size::large)), Size::large);
  EXPECT_EQ(passed<double>(0.25), 0.25);
  EXPECT_EQ(passed<float>(detail::toArgument(0.5F)), 0.5F);
  EXPECT_EQ(passed<std::string>(detail::toArgument("text")), "text");
  EXPECT_EQ(passed<std::string>(detail::toArgument(std::string_view("a\0b", 3))), std::string("a\0b", 3));
  EXPECT_EQ(passed<RefBase>(RefBase(7, "/a")).path(), "/a");
  EXPECT_EQ(passed<Ref<Greeter>>(detail::toArgument(Ref<Greeter>(RefBase(7, "/a")))).id(), 7U);
  EXPECT_FALSE(passed<Ref<Greeter>>(detail::toArgument(Ref<Greeter>())));
}

TEST(Arguments, ThatAreWholeNumbersGoIntoEachTypeThatHoldsThem) {
  expectWholeRange<std::int8_t>();
  expectWholeRange<std::int16_t>();
  expectWholeRange<std::int32_t>();
  expectWholeRange<std::int64_t>();
  expectWholeRange<std::uint8_t>();
  expectWholeRange<std::uint16_t>();
  expectWholeRange<std::uint32_t>();
  expectWholeRange<std::uint64_t>();
  expectWholeRange<char>();
  EXPECT_EQ(passed<unsigned>(std::int64_t{5}), 5U);
  EXPECT_EQ(passed<int>(std::uint64_t{5}), 5);
  EXPECT_NE(refusal<std::uint64_t>(std::int64_t{-1}).find("-1"), std::string::npos);
  EXPECT_NE(refusal<std::int64_t>(std::numeric_limits<std::uint64_t>::max()), "not refused");
}

TEST(Arguments, OfAnotherKindThanTheParameterAreRefusedByTheirValue) {
  EXPECT_EQ(
      refusal<int>(std::string("ten")),
      "a constructor argument is the text \"ten\", and the parameter is a whole number in the range of the "
      "parameter");
  EXPECT_EQ(refusal<bool>(std::int64_t{1}), "a constructor argument is 1, and the parameter is a bool");
  EXPECT_NE(refusal<int>(true), "not refused");
  EXPECT_NE(refusal<int>(1.0), "not refused");
  EXPECT_NE(refusal<double>(std::int64_t{1}), "not refused");
  EXPECT_NE(refusal<std::string>(false).find("is false, and the parameter is text"), std::string::npos);
  EXPECT_NE(refusal<Ref<Greeter>>(std::string("/a")).find("a reference to an actor"), std::string::npos);
  EXPECT_NE(refusal<std::string>(RefBase(7, "/till")).find("a reference to /till"), std::string::npos);
}

TEST(Arguments, MayBeMixedAndFollowThoseThatAreFixed) {
  struct Clerk {
    Clerk(const std::string& name, int age) : text(name + std::to_string(age)) {}
    Clerk(const std::string& name, int age, const std::string& town, double height) : Clerk(name, age) {
      text += town + std::to_string(height > 1.5);
    }
    std::string text;
  };
  std::string name = "Ada";
  EXPECT_EQ(constructFrom<Clerk>({std::int64_t{36}}, name)->text, "Ada36");
  EXPECT_EQ(constructFrom<Clerk>({std::string("Bob"), std::int64_t{4}})->text, "Bob4");
  EXPECT_EQ(constructFrom<Clerk>({std::int64_t{36}, std::string("London"), 1.6}, name)->text, "Ada36London1");
}

TEST(Arguments, OfAWrongNumberAreRefused) {
  using Pair = Takes<int, std::string>;
  for (const std::size_t count :
       {std::size_t{0}, std::size_t{1}, std::size_t{3}, std::size_t{7}, std::size_t{500}}) {
    try {
      constructFrom<Pair>(std::vector<Argument>(count, std::int64_t{1}));
      FAIL() << count;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::invalid);
      EXPECT_NE(error.message().find("has no constructor that takes these " + std::to_string(count)),
                std::string::npos)
          << error.message();
    }
  }
}

TEST(Arguments, ADescriptorIsClosedWithItsLastCopy) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  const os::Fd reader(ends[0]);
  {
    const Argument first = ownDescriptor(DescriptorArgument::Kind::stream, ends[1]);
    const Argument second = first;
    EXPECT_EQ(::write(ends[1], "x", 1), 1);
  }
  EXPECT_EQ(os::test::readToEnd(reader.get()), "x");
}

// --- Over the control lane ---

std::vector<Argument> sent(const std::vector<Argument>& arguments) {
  wire::ControlMessage message;
  auto start = message->initManage().initStartInstance();
  actor::write(start.initArguments(static_cast<unsigned>(arguments.size())), arguments, message);
  auto received = wire::ReceivedControl::looped(message);
  return actor::read(received->getManage().getStartInstance().getArguments(), received);
}

TEST(Arguments, ComeThroughTheControlLaneAsTheyWere) {
  const std::vector<Argument> arguments = {true,     std::int64_t{-5},       std::uint64_t{1} << 63,
                                           0.1,      std::string("a\0b", 3), RefBase(7, "/a"),
                                           RefBase()};
  const auto got = sent(arguments);
  ASSERT_EQ(got.size(), arguments.size());
  for (std::size_t i = 0; i < 5; ++i) EXPECT_EQ(got[i].index(), arguments[i].index()) << i;
  EXPECT_EQ(std::get<bool>(got[0]), true);
  EXPECT_EQ(std::get<std::int64_t>(got[1]), -5);
  EXPECT_EQ(std::get<std::uint64_t>(got[2]), std::uint64_t{1} << 63);
  EXPECT_EQ(std::get<double>(got[3]), 0.1);
  EXPECT_EQ(std::get<std::string>(got[4]), std::string("a\0b", 3));
  EXPECT_EQ(std::get<RefBase>(got[5]).path(), "/a");
  EXPECT_FALSE(std::get<RefBase>(got[6]));
}

TEST(Arguments, BringTheirDescriptorsAlong) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  const os::Fd reader(ends[0]);
  {
    const auto got = sent({ownDescriptor(DescriptorArgument::Kind::listener, ends[1])});
    const auto& descriptor = std::get<DescriptorArgument>(got.at(0));
    EXPECT_EQ(descriptor.kind, DescriptorArgument::Kind::listener);
    EXPECT_EQ(::write(*descriptor.descriptor, "x", 1), 1);
  }
  EXPECT_EQ(os::test::readToEnd(reader.get()), "x") << "nothing keeps it open";
}

TEST(Arguments, OfUnknownKindOrWithoutTheirDescriptorAreRefused) {
  const auto refused = [](const std::function<void(wire::Argument::Builder)>& fill, unsigned count) {
    wire::ControlMessage message;
    auto list = message->initManage().initStartInstance().initArguments(count);
    for (auto each : list) fill(each);
    message.attach(os::Fd(::dup(0)));
    auto received = wire::ReceivedControl::looped(message);
    EXPECT_THROW(actor::read(received->getManage().getStartInstance().getArguments(), received), Error);
  };
  refused([](wire::Argument::Builder each) { each.setStream(1); }, 1);
  refused([](wire::Argument::Builder each) { each.setStream(0); }, 2);
  refused([](wire::Argument::Builder each) { each.setListener(65'535); }, 1);
}

// --- Specs ---

TEST(Specs, ComeOutAsTheyWentIn) {
  ChildSpec spec;
  spec.restart = Restart::transient;
  spec.stop = Stop::infinity();
  spec.readyWithin = std::chrono::milliseconds(1500);
  spec.significant = true;
  spec.backOff = {.first = std::chrono::seconds(1), .limit = kForever, .factor = 1.5, .jitter = 0.5};
  spec.watchdog = std::chrono::seconds(3);
  spec.launch = Launch::exec;
  spec.output = Output::inherited;
  spec.name = "clock";
  spec.mailboxBytes = 1 << 20;
  spec.maxMessageBytes = 1 << 22;
  spec.spares = 3;

  capnp::MallocMessageBuilder message;
  actor::write(message.initRoot<wire::SpecData>(), spec);
  const ChildSpec read = actor::read(message.getRoot<wire::SpecData>().asReader());
  EXPECT_EQ(read.restart, spec.restart);
  EXPECT_EQ(read.stop, spec.stop);
  EXPECT_EQ(read.readyWithin, spec.readyWithin);
  EXPECT_TRUE(read.significant);
  EXPECT_EQ(read.backOff, spec.backOff);
  EXPECT_EQ(read.watchdog, spec.watchdog);
  EXPECT_EQ(read.launch, spec.launch);
  EXPECT_EQ(read.output, spec.output);
  EXPECT_EQ(read.name, spec.name);
  EXPECT_EQ(read.mailboxBytes, spec.mailboxBytes);
  EXPECT_EQ(read.maxMessageBytes, spec.maxMessageBytes);
  EXPECT_EQ(read.spares, spec.spares);
}

TEST(Specs, FlagsChangeWhatARunningSupervisorCanChangeAndNothingElse) {
  capnp::MallocMessageBuilder message;
  actor::write(message.initRoot<wire::FlagsData>(), {.strategy = Strategy::restForOne,
                                                     .maxRestarts = 9,
                                                     .within = std::chrono::seconds(2),
                                                     .autoShutdown = AutoShutdown::anySignificant,
                                                     .significant = true});
  SupervisorSpec flags{.restart = Restart::temporary};
  actor::read(message.getRoot<wire::FlagsData>().asReader(), flags);
  EXPECT_EQ(flags.strategy, Strategy::restForOne);
  EXPECT_EQ(flags.maxRestarts, 9U);
  EXPECT_EQ(flags.within, std::chrono::seconds(2));
  EXPECT_EQ(flags.autoShutdown, AutoShutdown::anySignificant);
  EXPECT_EQ(flags.restart, Restart::temporary);
  EXPECT_FALSE(flags.significant);
}

TEST(Specs, ValuesOfANewerPeerBecomeTheLastKnownOnes) {
  capnp::MallocMessageBuilder message;
  auto data = message.initRoot<wire::SpecData>();
  data.setRestart(200);
  data.setLaunch(200);
  data.setOutput(200);
  const ChildSpec spec = actor::read(data.asReader());
  EXPECT_EQ(spec.restart, Restart::temporary);
  EXPECT_EQ(spec.launch, Launch::exec);
  EXPECT_EQ(spec.output, Output::inherited);
}

}  // namespace
}  // namespace troupe
