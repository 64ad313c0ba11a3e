// What happens where the system has no more to give: descriptors, processes.
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "tests/support/app_run.h"
#include "tests/support/quiet_puppet.h"

namespace tests {

namespace {

using troupe::Error;
using troupe::ErrorKind;
using troupe::ExitKind;
using troupe::Ref;
using troupe::Restart;
using troupe::StartedChild;
using troupe::SupervisorRef;

// The undefined-behaviour sanitizer opens a pipe to look at an object of a type that it has not met before, and takes any for wrong
// where no descriptor is left.
#ifdef __has_feature
constexpr bool kSanitizerNeedsDescriptors = __has_feature(undefined_behavior_sanitizer);
#elif defined(__SANITIZE_ADDRESS__)
constexpr bool kSanitizerNeedsDescriptors = true;
#else
constexpr bool kSanitizerNeedsDescriptors = false;
#endif

void limit(__rlimit_resource resource, rlim_t value) {
  const rlimit both = {value, value};
  if (::setrlimit(resource, &both) < 0) std::abort();
}

// Starts instances of "t" until one cannot be started; the error of that one.
Task<Error> startUntilNoMore(SupervisorRef s, std::vector<StartedChild>& started) {
  std::optional<Error> error;
  while (!error && started.size() < 2000) {
    try {
      started.push_back(co_await s.start("t"));
    } catch (const Error& caught) {
      error = caught;
    }
  }
  if (!error) throw std::runtime_error("nothing was exhausted");
  co_return *error;
}

Task<> expectAllServe(const std::vector<StartedChild>& started, Ref<Puppet> a) {
  for (const auto& each : started) {
    const auto who = co_await each.ref<Puppet>().within(5min).who();
    EXPECT_EQ(who->getPid(), each.pid);
  }
  EXPECT_STREQ((co_await a.echo("alive"))->getText().cStr(), "alive");
}

void withTemplates(troupe::App& app) {
  app.supervise({.maxRestarts = 100});
  app.child<PuppetActor>("a").each<PuppetActor>("t", {.restart = Restart::temporary}, Script{});
  app.supervisor("group", {.maxRestarts = 100})
      .each<PuppetActor>("t", {.restart = Restart::temporary}, Script{});
}

}  // namespace

class Limits : public AppTest {};

TEST_F(Limits, OfDescriptorsAreAClearErrorAndHarmNothingElse) {
  if (kSanitizerNeedsDescriptors) GTEST_SKIP() << "the sanitizer itself needs a descriptor";
  for (const char* supervisor : {"/", "/group"}) {
    runApp(
        withTemplates,
        [supervisor](Self& self) -> Task<> {
          const SupervisorRef s(supervisor);
          auto a = (co_await self.find<Puppet>("a")).within(5min);
          std::vector<StartedChild> started;
          const Error error = co_await startUntilNoMore(s, started);
          EXPECT_EQ(error.kind(), ErrorKind::crashed) << error.what();
          EXPECT_EQ(error.exitReason().kind, ExitKind::notStarted);
          EXPECT_EQ(error.exitReason().code, EMFILE);
          EXPECT_NE(error.message().find("RLIMIT_NOFILE of this process is 100"), std::string::npos)
              << error.message();
          EXPECT_GT(started.size(), 5u);
          co_await expectAllServe(started, a);
          // Again and again, which must not use anything up.
          for (int i = 0; i < 20; ++i) static_cast<void>(co_await errorOf(s.start("t")));
          co_await expectAllServe(started, a);
          // With room again, starts work again.
          for (int i = 0; i < 3; ++i) {
            co_await s.stop(started.back().id);
            started.pop_back();
          }
          started.push_back(co_await s.start("t"));
          co_await expectAllServe(started, a);
        },
        [] { limit(RLIMIT_NOFILE, 100); });
  }
}

TEST_F(Limits, OfDescriptorsDoNotKeepACrashedChildDown) {
  if (kSanitizerNeedsDescriptors) GTEST_SKIP() << "the sanitizer itself needs a descriptor";
  runApp(
      withTemplates,
      [](Self& self) -> Task<> {
        auto a = (co_await self.find<Puppet>("a")).within(5min);
        std::vector<StartedChild> started;
        static_cast<void>(co_await startUntilNoMore(SupervisorRef("/"), started));
        static_cast<void>(co_await errorOf(a.crash("kill")));
        EXPECT_EQ((co_await a.who())->getGeneration(), 2u) << "its place was free for it";
      },
      [] { limit(RLIMIT_NOFILE, 100); });
}

TEST_F(Limits, OfDescriptorsOfAnActorFailItsNewAcquaintancesOnly) {
  class Poor final : public QuietPuppet<Poor> {
   public:
    Task<> relay(RelayParams in, RelayResults out) {
      auto known = co_await find<Puppet>("known");
      const Ref<Puppet> other = in.getTo();
      // Sanitizers need a descriptor when they see a class for the first time: so all of it is done once before.
      const Ref<Puppet> patient = other.within(5min);
      co_await known.echo("before");
      static_cast<void>(
          co_await errorOf([](Poor& self) -> Task<> { co_await self.find<Puppet>("nobody"); }(*this)));
      limit(lowest());
      const Error finding =
          co_await errorOf([](Poor& self) -> Task<> { co_await self.find<Puppet>("other"); }(*this));
      EXPECT_EQ(finding.kind(), ErrorKind::system) << finding.what();
      EXPECT_NE(finding.message().find("RLIMIT_NOFILE"), std::string::npos) << finding.message();
      const Error calling = co_await errorOf(patient.who());
      EXPECT_EQ(calling.kind(), ErrorKind::system) << calling.what();
      EXPECT_STREQ((co_await known.echo("still"))->getText().cStr(), "still");
      limit(1000);
      EXPECT_STREQ((co_await other.echo("again"))->getText().cStr(), "again");
      out.setText("done");
    }

   private:
    static void limit(rlim_t soft) {
      rlimit now = {};
      ::getrlimit(RLIMIT_NOFILE, &now);
      now.rlim_cur = soft;
      if (::setrlimit(RLIMIT_NOFILE, &now) < 0) std::abort();
    }
    // So that the next descriptor would be too many.
    static rlim_t lowest() {
      const int next = ::dup(0);
      ::close(next);
      return static_cast<rlim_t>(next);
    }
  };
  runApp(
      [](troupe::App& app) {
        app.child<PuppetActor>("known").child<PuppetActor>("other").child<Poor>("poor");
      },
      [](Self& self) -> Task<> {
        auto poor = (co_await self.find<Puppet>("poor")).within(5min);
        auto other = co_await self.find<Puppet>("other");
        EXPECT_STREQ((co_await poor.relay(other, "", 0))->getText().cStr(), "done");
      });
}

TEST_F(Limits, OfProcessesAreAClearErrorAndHarmNothingElse) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can become a user that has no other processes";
  runApp(
      withTemplates,
      [](Self& self) -> Task<> {
        const SupervisorRef s("/group");
        auto a = (co_await self.find<Puppet>("a")).within(5min);
        std::vector<StartedChild> started;
        const Error error = co_await startUntilNoMore(s, started);
        EXPECT_EQ(error.exitReason().kind, ExitKind::notStarted);
        EXPECT_EQ(error.exitReason().code, EAGAIN);
        EXPECT_NE(error.message().find("cannot fork a new process"), std::string::npos) << error.message();
        co_await expectAllServe(started, a);
        for (int i = 0; i < 20; ++i) static_cast<void>(co_await errorOf(s.start("t")));
        co_await s.stop(started.back().id);
        started.pop_back();
        started.push_back(co_await s.start("t"));
        co_await expectAllServe(started, a);
        static_cast<void>(co_await errorOf(a.crash("kill")));
        EXPECT_EQ((co_await a.who())->getGeneration(), 2u);
      },
      [] {
        limit(RLIMIT_NPROC, 20);
        // Who changes its user is not to be looked at any more, unless it says so; and it outlives its parent again.
        if (::setgid(65534) < 0 || ::setuid(65534) < 0) std::abort();
        ::prctl(PR_SET_DUMPABLE, 1);
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      });
}

TEST_F(Limits, OfPipesOnlyCostSpeed) {
  // An unprivileged user gets few pages of pipes; then the kernel gives small ones. A mailbox may ask for more than there is.
  runApp(
      [](troupe::App& app) {
        app.child<PuppetActor>("a", {.mailboxBytes = 1U << 30});
        app.child<PuppetActor>("b", {.mailboxBytes = 1});
      },
      [](Self& self) -> Task<> {
        for (const char* name : {"a", "b"}) {
          auto puppet = co_await self.find<Puppet>(name);
          for (int i = 0; i < 1000; ++i) co_await puppet.note("");
          EXPECT_STREQ((co_await puppet.within(5min).echo("served"))->getText().cStr(), "served");
        }
      });
}

}  // namespace tests
