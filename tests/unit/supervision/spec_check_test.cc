#include "supervision/spec_check.h"

#include "simulator.h"

#include <gtest/gtest.h>

#include <limits>

namespace troupe::supervision::test {
namespace {

template <class Work>
std::string refusal(Work work) {
  try {
    work();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::invalid);
    return error.what();
  }
  return "accepted";
}

std::string ofFlags(const SupervisorSpec& flags) {
  return refusal([&] { checkSupervisor("top", flags); });
}

std::string ofChild(const ChildDeclaration& child, const SupervisorSpec& flags = {}) {
  return refusal([&] { checkChild("top", flags, child); });
}

std::string ofSpec(const ChildSpec& spec) { return ofChild(child("a", spec)); }

bool names(const std::string& message, const std::string& part) {
  return message.find(part) != std::string::npos;
}

TEST(OtpSupervisor, sup_flags) {
  EXPECT_EQ(ofFlags({}), "accepted");
  EXPECT_EQ(ofFlags({.maxRestarts = 0}), "accepted");
  EXPECT_EQ(ofFlags({.within = 0s}),
            "the spec of supervisor \"top\" is wrong: within is 0s: it must be more than zero");
  EXPECT_TRUE(names(ofFlags({.within = -5s}), "within is -5s"));
  EXPECT_TRUE(names(ofFlags({.strategy = static_cast<Strategy>(9)}), "strategy is 9"));
  EXPECT_TRUE(names(ofFlags({.autoShutdown = static_cast<AutoShutdown>(9)}), "autoShutdown is 9"));
  EXPECT_TRUE(names(ofFlags({.restart = static_cast<Restart>(9)}), "restart is 9"));
  EXPECT_TRUE(names(ofFlags({.stop = Stop::within(-1s)}), "stop.limit is -1s"));
}

TEST(OtpSupervisor, child_specs) {
  for (const Restart restart : {Restart::permanent, Restart::transient, Restart::temporary}) {
    for (const Stop& stop : {Stop::brutalKill(), Stop::within(1s), Stop::infinity()}) {
      EXPECT_EQ(ofSpec({.restart = restart, .stop = stop}), "accepted");
      EXPECT_EQ(ofChild(supervisorChild("a", {.restart = restart, .stop = stop})), "accepted");
    }
    for (const AutoShutdown when : {AutoShutdown::anySignificant, AutoShutdown::allSignificant}) {
      const ChildDeclaration significant = child("a", {.restart = restart, .significant = true});
      EXPECT_EQ(ofChild(significant, {.autoShutdown = when}) == "accepted", restart != Restart::permanent);
      EXPECT_TRUE(names(ofChild(significant, {}), "significant is true"));
    }
  }
  EXPECT_TRUE(names(refusal([] { checkChildren("top", {}, {child("a"), child("b"), child("a")}); }),
                    "child \"a\" of supervisor \"top\" is wrong: there is already a child of this id"));
}

TEST(OtpSupervisor, sup_start_map_faulty_specs) {
  EXPECT_TRUE(names(ofSpec({.stop = Stop::within(-1ms)}), "stop.limit is -1ms"));
  EXPECT_TRUE(names(ofSpec({.readyWithin = 0s}), "readyWithin is 0s"));
  EXPECT_TRUE(names(ofSpec({.watchdog = -1s}), "watchdog is -1s"));
  EXPECT_EQ(ofSpec({.spares = 16}), "accepted");
  EXPECT_TRUE(names(ofSpec({.spares = 17}), "spares is 17"));
  EXPECT_TRUE(names(ofSpec({.restart = Restart::temporary, .spares = 1}), "never restarted"));
  EXPECT_TRUE(names(ofChild({.id = "a", .spec = {.spares = 1}, .isTemplate = true}), "spares is 1"));
  const auto instances = [](unsigned most, Restart restart, bool isTemplate) {
    return ofChild(
        {.id = "a", .spec = {.restart = restart, .instancesPerProcess = most}, .isTemplate = isTemplate});
  };
  EXPECT_EQ(instances(2, Restart::temporary, true), "accepted");
  EXPECT_EQ(instances(2, Restart::transient, true), "accepted");
  EXPECT_TRUE(names(instances(0, Restart::temporary, true), "instancesPerProcess is 0"));
  EXPECT_TRUE(names(instances(2, Restart::temporary, false), "instances of a template"));
  EXPECT_TRUE(names(instances(2, Restart::permanent, true), "a process of its own"));
  EXPECT_TRUE(names(ofSpec({.maxMessageBytes = (512U << 20) + 1}), "maxMessageBytes is 536870913"));
  EXPECT_TRUE(names(ofSpec({.backOff = {.first = -1s}}), "backOff.first is -1s"));
  EXPECT_TRUE(names(ofSpec({.backOff = {.first = 60s, .limit = 30s}}), "backOff.limit is 30s"));
  EXPECT_TRUE(names(ofSpec({.backOff = {.factor = 0.5}}), "backOff.factor is 0.5"));
  EXPECT_TRUE(names(ofSpec({.backOff = {.jitter = 1.5}}), "backOff.jitter is 1.5"));
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_TRUE(names(ofSpec({.backOff = {.factor = nan}}), "backOff.factor is nan"));
  EXPECT_TRUE(names(ofSpec({.backOff = {.jitter = nan}}), "backOff.jitter is nan"));
  EXPECT_TRUE(names(ofSpec({.restart = static_cast<Restart>(7)}), "restart is 7"));
  EXPECT_TRUE(names(ofSpec({.launch = static_cast<Launch>(7)}), "launch is 7"));
  EXPECT_TRUE(names(ofSpec({.output = static_cast<Output>(7)}), "output is 7"));
  EXPECT_TRUE(names(ofSpec({.name = "a b"}), "name is \"a b\""));
}

TEST(SpecCheck, IdsArePartsOfPaths) {
  for (const char* good : {"a", "till-1", "Größe", "a.b", "_"})
    EXPECT_EQ(ofChild(child(good)), "accepted") << good;
  for (const char* bad : {"", "a/b", "a:1", "a b", "a\tb", "a\n", "\x7f", ".", ".."}) {
    EXPECT_TRUE(names(ofChild(child(bad)), "id is ")) << bad;
  }
  EXPECT_EQ(ofChild(child(std::string(kLongestId, 'x'))), "accepted");
  EXPECT_TRUE(names(ofChild(child(std::string(kLongestId + 1, 'x'))), "id is 129 bytes long"));
}

TEST(SpecCheck, TemplatesGoWithOneForOneOnly) {
  EXPECT_EQ(ofChild(each("t")), "accepted");
  for (const Strategy strategy : {Strategy::oneForAll, Strategy::restForOne}) {
    EXPECT_TRUE(names(ofChild(each("t"), {.strategy = strategy}), "oneForOne only"));
  }
  EXPECT_TRUE(names(ofChild(each("t", {.name = "n"})), "name is \"n\""));
}

TEST(SpecCheck, TheCoreRefusesWhatIsWrong) {
  EXPECT_THROW(Core("top", {.within = 0s}, {}), Error);
  EXPECT_THROW(Core("top", {}, {child("a"), child("a")}), Error);
}

TEST(SpecCheck, DurationsReadWell) {
  EXPECT_EQ(describe(0s), "0s");
  EXPECT_EQ(describe(90s), "90s");
  EXPECT_EQ(describe(1500ms), "1500ms");
  EXPECT_EQ(describe(7us), "7us");
  EXPECT_EQ(describe(1ns), "1ns");
  EXPECT_EQ(describe(kForever), "for ever");
}

}  // namespace
}  // namespace troupe::supervision::test
