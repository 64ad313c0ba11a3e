// Processes that are no actors, attached to an app that runs (troupe::Client).
#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>

#include "os/channel.h"
#include "schemas/client.capnp.h"
#include "tests/support/depot.h"
#include "wire/client_link.h"
#include "wire/proof.h"

namespace tests {
namespace {

class AttachTest : public DepotTest {};

// --- Calls and casts ---

TEST_F(AttachTest, AProcessThatIsNoActorCallsActorsAndCastsToThem) {
  const auto depot = openDepot();

  const auto client = Client::attach("depot");
  const auto a = client.find<Puppet>("/a");

  EXPECT_EQ(client.app(), "depot." + std::to_string(depot->pid()));
  EXPECT_EQ(echoOf(a, "hello"), "hello");
  a.note("something");
  EXPECT_EQ(a.who()->getHandled(), 3U) << "what one sends arrives in the order of sending";
  EXPECT_EQ(client.find<Puppet>("bee").path(), "/b");
  EXPECT_EQ(client.find<Puppet>("a").path(), "/a");
  EXPECT_EQ(echoOf(client.find<Puppet>("hands"), "pooled"), "pooled");
}

TEST_F(AttachTest, TheSocketIsFoundByItsPathToo) {
  const auto depot = openDepot();
  const auto client = Client::attach((base_ / "run/depot.") + std::to_string(depot->pid()));
  EXPECT_EQ(echoOf(client.find<Puppet>("a"), "hello"), "hello");
}

TEST_F(AttachTest, ReferencesGoBothWays) {
  const auto depot = openDepot();
  const auto client = Client::attach("depot");
  const auto a = client.find<Puppet>("/a");

  const auto found = a.lookUp("b");
  const auto b = client.at(troupe::Ref<Puppet>(found->getPuppet()));

  EXPECT_EQ(b.path(), "/b");
  EXPECT_STREQ(b.who()->getPath().cStr(), "/b");
  EXPECT_STREQ(a.relay(b, "through a", 5000)->getText().cStr(), "through a");
}

TEST_F(AttachTest, ErrorsAreThoseThatActorsSee) {
  const auto depot = openDepot();
  const auto client = Client::attach("depot");
  const auto a = client.find<Puppet>("/a");

  expectError(failureOf([&] { a.deny("not today"); }), ErrorKind::refused, "not today");
  expectError(failureOf([&] { a.within(50ms).nap(10'000); }), ErrorKind::timedOut, "Puppet.nap of /a");
  EXPECT_EQ(echoOf(a.within(troupe::Duration::max() - 1ns), "hello"), "hello")
      << "beyond the end of the clock";
  const auto crashed = failureOf([&] { client.find<Puppet>("/b").crash("segv"); });
  expectError(crashed, ErrorKind::crashed, "Puppet.crash of /b");
  EXPECT_EQ(crashed.exitReason().code, SIGSEGV);
  expectError(failureOf([&] { client.find<Puppet>("/nobody"); }), ErrorKind::gone, "/nobody");
  expectError(failureOf([&] { client.find<Stranger>("/a"); }), ErrorKind::invalid, "does not serve Stranger");
  expectError(failureOf([&] { client.find<Puppet>("/s"); }), ErrorKind::invalid, "/s");
  expectError(failureOf([&] { client.at(troupe::Ref<Puppet>()).who(); }), ErrorKind::invalid, "nobody");
  EXPECT_EQ(echoOf(client.find<Puppet>("/b"), "again"), "again") << "a reference outlives a crash";
}

TEST_F(AttachTest, WhoStopsForGoodIsGone) {
  const auto depot = openDepot();
  const auto client = Client::attach("depot");
  const auto c = client.find<Puppet>("/s/c");
  EXPECT_EQ(echoOf(c, "hello"), "hello");
  EXPECT_EQ(troupeSays({"stop", "depot", "/s/c"}).code, 0);

  const auto error = failureOf([&] { c.within(5min).echo("hello"); });

  expectError(error, ErrorKind::gone, "Puppet.echo of /s/c");
}

TEST_F(AttachTest, ADeadAppAndNoAppAreErrorsThatSaySo) {
  expectError(failureOf([] { Client::attach("depot"); }), ErrorKind::gone, "no app called \"depot\" runs");
  const auto depot = openDepot();
  const auto client = Client::attach("depot");
  const auto a = client.find<Puppet>("/a");

  depot->signal(SIGKILL);
  depot->waitForEnd();
  depot->leftovers();

  expectError(failureOf([&] { a.within(5min).echo("hello"); }), ErrorKind::gone, "has ended");
  expectError(failureOf([&] { a.note("hello"); }), ErrorKind::gone, "has ended");
}

TEST_F(AttachTest, AnAppThatHangsCostsNoMoreThanTheDeadline) {
  const auto depot = openDepot();
  const auto client = Client::attach("depot");
  const auto a = client.find<Puppet>("/a");
  const pid_t session = pidOf(sessions().at(0));

  ::kill(session, SIGSTOP);
  const auto error = failureOf([&] { a.within(100ms).echo("late"); });
  ::kill(session, SIGCONT);

  expectError(error, ErrorKind::timedOut, "Puppet.echo of /a");
  EXPECT_EQ(echoOf(a, "in time"), "in time") << "the late answer is passed over";
}

TEST_F(AttachTest, AttachingToAnAppThatHangsCostsNoMoreThanTheDeadline) {
  const auto depot = openDepot();

  depot->signal(SIGSTOP);
  std::vector<troupe::Error> errors;
  // The first wait to be answered, those after them to be taken in.
  for (int i = 0; i < 40; ++i) errors.push_back(failureOf([] { Client::attach("depot", {.within = 10ms}); }));
  depot->signal(SIGCONT);

  for (const auto& error : errors) EXPECT_EQ(error.kind(), ErrorKind::timedOut) << error.what();
  expectError(errors.front(), ErrorKind::timedOut, "has not answered within 10 ms");
  EXPECT_EQ(echoOf(Client::attach("depot").find<Puppet>("/a"), "hello"), "hello");
}

TEST_F(AttachTest, ACastWaitsUntilThereIsRoomForIt) {
  const auto depot = openDepot();
  const auto client = Client::attach("depot");
  const auto a = client.find<Puppet>("/a");
  const pid_t pid = pidOf("/a");
  const std::string note(2000, 'x');
  unsigned sent = 0;

  ::kill(pid, SIGSTOP);
  const auto error = failureOf([&] {
    for (; sent < 100'000; ++sent) a.within(300ms).note(note);
  });
  EXPECT_EQ(echoOf(client.find<Puppet>("/b"), "hello"), "hello") << "who waits for one does not wait for all";
  ::kill(pid, SIGCONT);

  expectError(error, ErrorKind::timedOut, "casting Puppet.note of /a");
  EXPECT_LT(sent, 1000U);
  EXPECT_EQ(a.within(5min).who()->getHandled(), sent + 2) << "the one that waited was not lost";
}

namespace {

// The errors of casts to `to`, which takes none, until so many were in vain; they are more than a session has open at a time.
unsigned castInVain(const ClientRef<Puppet>& to, unsigned most) {
  const std::string note(2000, 'x');
  unsigned inVain = 0;
  for (unsigned i = 0; i < 100'000 && inVain < most; ++i) {
    try {
      to.within(10ms).note(note);
    } catch (const troupe::Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::timedOut) << error.what();
      ++inVain;
    }
  }
  return inVain;
}

}  // namespace

TEST_F(AttachTest, CastsThatFindNoRoomHoldUpNobodyElse) {
  const auto depot = openDepot();
  pid_t pid = 0;
  {
    const auto client = Client::attach("depot");
    const auto a = client.find<Puppet>("/a");
    pid = pidOf("/a");
    ::kill(pid, SIGSTOP);
    EXPECT_EQ(castInVain(a, 80), 80U);
    EXPECT_EQ(echoOf(client.find<Puppet>("/b"), "hello"), "hello");
  }
  ::kill(pid, SIGCONT);
  EXPECT_TRUE(depot->waitUntil([] { return sessions().empty(); })) << "all is delivered";
}

TEST_F(AttachTest, LargeMessagesGoBothWaysAndOneThatIsTooLargeIsRefused) {
  const auto depot = openDepot();
  const auto client = Client::attach("depot");
  const auto a = client.find<Puppet>("/a").within(5min);
  const std::string large(3 * kMiB + 5, 'x');

  EXPECT_EQ(echoOf(a, large), large);
  EXPECT_EQ(a.grow(5 * kMiB)->getText().size(), 5 * kMiB);
  a.note(large);

  const auto error = failureOf([&] { a.echo(std::string(64 * kMiB, 'x')); });
  expectError(error, ErrorKind::invalid, "its message takes 671");
  expectError(error, ErrorKind::invalid, "can have 67108864 at most");
  EXPECT_EQ(echoOf(a, "still there"), "still there");
}

// --- The key ---

TEST_F(AttachTest, WhoHasTheKeyIsServed) {
  const auto depot = openDepot({"WITH_KEY=1"});

  const auto client = Client::attach("depot", {.key = "a secret"});

  EXPECT_EQ(echoOf(client.find<Puppet>("a"), "hello"), "hello");
  ::setenv("TROUPE_KEY", "a secret", 1);
  EXPECT_EQ(actors().at("/a")["state"].text, "running");
  EXPECT_EQ(echoOf(Client::attach("depot").find<Puppet>("a"), "hello"), "hello");
  ::unsetenv("TROUPE_KEY");
  std::ofstream(base_ / "key") << "a secret\n";
  ::setenv("TROUPE_KEY_FILE", (base_ / "key").c_str(), 1);
  EXPECT_EQ(troupeSays({"call", "depot", "a", "echo", "(text = \"hello\")"}).code, 0);
  ::unsetenv("TROUPE_KEY_FILE");
}

TEST_F(AttachTest, ItReadsAsThePageSays) {
  const auto app = openDepot({"WITH_KEY=1"});

  auto depot = troupe::Client::attach("depot", {.key = "a secret"});
  auto till = depot.find<Puppet>("/a");
  const auto reply = till.echo("5 from Ada");

  EXPECT_STREQ(reply->getText().cStr(), "5 from Ada");
}

TEST_F(AttachTest, AWrongKeyLearnsNothingAndDisturbsNobody) {
  const auto depot = openDepot({"TROUPE_KEY=a secret"});
  const auto good = Client::attach("depot", {.key = "a secret"});
  const auto a = good.find<Puppet>("/a");

  const auto wrong = failureOf([] { Client::attach("depot", {.key = "a secert"}); });
  const auto none = failureOf([] { Client::attach("depot"); });

  expectError(wrong, ErrorKind::refused, "this app has a key");
  EXPECT_EQ(wrong.message(), none.message()) << "the same to all";
  const Said said = troupeSays({"ps", "depot"});
  EXPECT_EQ(said.code, 3);
  EXPECT_NE(said.err.find("this app has a key"), std::string::npos) << said.err;
  EXPECT_EQ(said.out, "");
  EXPECT_EQ(troupeSays({"stop", "depot"}).code, 3);
  for (int i = 0; i < 200; ++i)
    expectError(failureOf([] { Client::attach("depot", {.key = "x"}); }), ErrorKind::refused,
                "this app has a key");
  EXPECT_EQ(echoOf(a, "hello"), "hello");
}

TEST_F(AttachTest, ARightProofCannotBeUsedAgain) {
  using namespace troupe::wire;
  const auto depot = openDepot({"WITH_KEY=1"});
  const auto ask = [](const troupe::os::Fd& connection, const auto& fill) {
    capnp::MallocMessageBuilder request;
    fill(request.initRoot<ClientRequest>());
    troupe::os::sendOn(connection.get(), flatBytes(request));
    troupe::os::waitForMessage(connection.get());
    troupe::os::ChannelMessage message;
    EXPECT_EQ(troupe::os::receiveFrom(connection.get(), message), troupe::os::ChannelState::done);
    return std::make_unique<FlatMessage>(message.bytes);
  };
  const std::string nonce(kNonceBytes, 'n');
  const kj::ArrayPtr<const kj::byte> asData(reinterpret_cast<const kj::byte*>(nonce.data()), nonce.size());
  const auto hello = [&](ClientRequest::Builder request) { request.setHello(asData); };
  const auto bytesOf = [](capnp::Data::Reader data) {
    return std::as_bytes(std::span(data.begin(), data.size()));
  };
  Proof proof;
  const auto prove = [&](ClientRequest::Builder request) {
    request.setProve({reinterpret_cast<const kj::byte*>(proof.data()), proof.size()});
  };

  const auto first = connectTo(*depot);
  const auto challenged = ask(first, hello);
  proof = proofOf("a secret", Prover::client, *nonceOf(std::as_bytes(std::span(nonce))),
                  *nonceOf(bytesOf(challenged->root<ClientAnswer>().getChallenge())));
  EXPECT_TRUE(ask(first, prove)->root<ClientAnswer>().isProven());

  const auto second = connectTo(*depot);
  EXPECT_TRUE(ask(second, hello)->root<ClientAnswer>().isChallenge());
  EXPECT_TRUE(ask(second, prove)->root<ClientAnswer>().isFailed());
  troupe::os::waitForMessage(second.get());
  troupe::os::ChannelMessage message;
  EXPECT_EQ(troupe::os::receiveFrom(second.get(), message), troupe::os::ChannelState::closed);
}

TEST_F(AttachTest, AnAppWithoutTheKeyIsNoAppThatOneWasGivenFor) {
  const auto depot = openDepot();
  expectError(failureOf([] { Client::attach("depot", {.key = "a secret"}); }), ErrorKind::refused,
              "it has no key");
  ::setenv("TROUPE_KEY", "for other apps", 1);
  EXPECT_EQ(echoOf(Client::attach("depot").find<Puppet>("a"), "hello"), "hello");
  ::unsetenv("TROUPE_KEY");
}

TEST_F(AttachTest, StrangersPushOutNobodyWhoHasTheKey) {
  const auto depot = openDepot({"WITH_KEY=1"});
  const troupe::os::ClientSocket socket = troupe::os::clientSocketCalled("depot");
  const auto good = troupe::wire::attachTo(socket, {.secret = "a secret", .required = true}, kPatience);
  std::vector<troupe::os::Fd> strangers;
  for (int i = 0; i < 100; ++i) strangers.push_back(connectTo(*depot));

  capnp::MallocMessageBuilder request;
  request.initRoot<troupe::wire::ClientRequest>().setActors("");
  troupe::os::sendOn(good.get(), troupe::wire::flatBytes(request));
  troupe::os::waitForMessage(good.get());
  troupe::os::ChannelMessage message;

  EXPECT_EQ(troupe::os::receiveFrom(good.get(), message), troupe::os::ChannelState::done);
}

// --- Garbage ---

TEST_F(AttachTest, GarbageInASessionCostsOnlyTheOneWhoSendsIt) {
  const auto depot = openDepot();
  const auto good = Client::attach("depot");
  for (unsigned seed = 0; seed < 30; ++seed) {
    const auto connection = connectTo(*depot);
    capnp::MallocMessageBuilder request;
    request.initRoot<troupe::wire::ClientRequest>().setSession();
    troupe::os::sendOn(connection.get(), troupe::wire::flatBytes(request));
    troupe::os::waitForMessage(connection.get());
    troupe::os::ChannelMessage message;
    ASSERT_EQ(troupe::os::receiveFrom(connection.get(), message), troupe::os::ChannelState::done);
    // Every other one is a part of a message, of which there is no more or no sense.
    std::vector<std::byte> bytes(16 + seed * 37 % 3000 / 8 * 8);
    for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(seed * 131 + i * i * 7);
    if (seed % 2 == 0) std::fill_n(bytes.begin(), 8, std::byte{0});
    if (seed % 4 == 0) bytes[0] = std::byte{1};
    troupe::os::sendOn(connection.get(), bytes);
  }
  EXPECT_TRUE(depot->waitUntil([] { return sessions().size() == 1; }));
  EXPECT_EQ(echoOf(good.find<Puppet>("a"), "hello"), "hello");
  EXPECT_EQ(actors().at("/a")["generation"].number(), 1);
}

}  // namespace
}  // namespace tests

int main(int argc, char** argv) { return tests::runDepotOrTests(argc, argv); }
