#include "node/client_requests.h"

#include <troupe/error.h>

#include <algorithm>

#include "actor/spec_codec.h"
#include "node/client_session.h"
#include "os/packet_pipe.h"
#include "wire/flat_message.h"
#include "wire/reason_codec.h"

namespace troupe::node {

namespace {

// So much of texts and bytes goes into one answer: with all that stands around them it fits a packet.
constexpr std::size_t kPageBytes = 24 * 1024;
constexpr std::size_t kPartBytes = 48 * 1024;
// What the fixed fields of one actor or letter take, generously.
constexpr std::size_t kFixedBytes = 160;

std::vector<std::byte> packetOf(capnp::MallocMessageBuilder& message) {
  auto bytes = wire::flatBytes(message);
  if (bytes.size() <= os::kMaxChannelMessageBytes) return bytes;
  return ClientRequests::refusal(Error(ErrorKind::invalid, "the answer has " + std::to_string(bytes.size()) +
                                                               " bytes, and one packet takes " +
                                                               std::to_string(os::kMaxChannelMessageBytes)))
      .packet;
}

// As many as fit one page, at least one, from `first` on; and whether there are more.
template <class Iterator, class Size>
std::pair<std::vector<Iterator>, bool> pageFrom(Iterator first, Iterator end, Size size) {
  std::vector<Iterator> page;
  std::size_t bytes = 0;
  for (; first != end; ++first) {
    bytes += kFixedBytes + size(*first);
    if (!page.empty() && bytes > kPageBytes) return {std::move(page), true};
    page.push_back(first);
  }
  return {std::move(page), false};
}

}  // namespace

ClientReply ClientRequests::refusal(const Error& why) {
  capnp::MallocMessageBuilder message;
  wire::write(message.initRoot<wire::ClientAnswer>().initFailed(), why);
  return {.packet = wire::flatBytes(message)};
}

ClientReply ClientRequests::answer(std::span<const std::byte> request, const std::string& asker) {
  const wire::FlatMessage asked(request);
  try {
    capnp::MallocMessageBuilder message;
    ClientReply reply;
    const bool complete = fill(message.initRoot<wire::ClientAnswer>(), reply.descriptor,
                               asked.root<wire::ClientRequest>(), asker);
    if (complete) reply.packet = packetOf(message);
    return reply;
  } catch (const Error& error) {
    return refusal(error);
  }
}

ClientReply ClientRequests::answerOf(wire::ReceivedControl& message) {
  if (message->isFailed()) return refusal(wire::read(message->getFailed()));
  const auto managed = message->getManaged();
  capnp::MallocMessageBuilder answer;
  answer.initRoot<wire::ClientAnswer>().setManaged(managed);
  return {.packet = packetOf(answer)};
}

bool ClientRequests::isForSession(std::span<const std::byte> request) {
  return wire::FlatMessage(request).root<wire::ClientRequest>().isSession();
}

bool ClientRequests::fill(Answer answer, os::Fd& descriptor, wire::ClientRequest::Reader request,
                          const std::string& asker) {
  switch (request.which()) {
    case wire::ClientRequest::ACTORS: actors(answer, wire::toString(request.getActors())); return true;
    case wire::ClientRequest::MANAGE: manage(request.getManage(), asker); return false;
    case wire::ClientRequest::STOP_APP:
      hooks_.stopApp();
      answer.setDone();
      return true;
    case wire::ClientRequest::LETTERS: letters(answer, request.getLetters()); return true;
    case wire::ClientRequest::LETTER:
      letter(answer, request.getLetter().getNumber(), request.getLetter().getOffset());
      return true;
    case wire::ClientRequest::RESEND:
      resend(request.getResend());
      answer.setDone();
      return true;
    case wire::ClientRequest::PURGE: purge(answer, request.getPurge()); return true;
    case wire::ClientRequest::HELLO: answer.setChallenge({}); return true;
    case wire::ClientRequest::SCHEMA: schema(answer, request.getSchema()); return true;
    case wire::ClientRequest::TAP:
      descriptor = directory_.tap(wire::toString(request.getTap()));
      answer.setTapped();
      return true;
    case wire::ClientRequest::PROVE:
    case wire::ClientRequest::SESSION: break;
  }
  throw Error(ErrorKind::invalid, "a request that this app does not know: is the command newer than it?");
}

void ClientRequests::actors(Answer answer, const std::string& after) const {
  const auto& entries = directory_.entries();
  const auto [page, more] = pageFrom(entries.upper_bound(after), entries.end(), [](const auto& each) {
    return each.first.size() + each.second->name.size() +
           each.second->interfaces.size() * sizeof(std::uint64_t);
  });
  auto actors = answer.initActors();
  actors.setMore(more);
  auto list = actors.initList(static_cast<unsigned>(page.size()));
  for (unsigned i = 0; i < list.size(); ++i) {
    const Entry& entry = *page[i]->second;
    list[i].setId(entry.id);
    list[i].setPath(entry.path.c_str());
    list[i].setName(entry.name.c_str());
    list[i].setRole(static_cast<std::uint8_t>(entry.role));
    list[i].setPid(entry.pid);
    list[i].setReady(entry.ready);
    list[i].setGeneration(entry.generation);
    if (entry.mailbox.valid()) list[i].setWaitingBytes(os::waitingBytes(entry.mailbox.get()));
    auto interfaces = list[i].initInterfaces(static_cast<unsigned>(entry.interfaces.size()));
    for (unsigned each = 0; each < interfaces.size(); ++each) interfaces.set(each, entry.interfaces[each]);
  }
}

void ClientRequests::letters(Answer answer, std::uint64_t after) const {
  const auto& kept = letters_.letters();
  const auto [page, more] = pageFrom(kept.upper_bound(after), kept.end(), [](const auto& each) {
    const wire::Letter& letter = each.second;
    return letter.path.size() + letter.senderPath.size() + letter.methodName.size() +
           letter.reason.text.size();
  });
  auto letters = answer.initLetters();
  letters.setMore(more);
  letters.setBytes(letters_.bytes());
  letters.setMostBytes(letters_.mostBytes());
  letters.setStored(letters_.counts().stored);
  letters.setEvicted(letters_.counts().evicted);
  auto list = letters.initList(static_cast<unsigned>(page.size()));
  for (unsigned i = 0; i < list.size(); ++i)
    wire::write(list[i], page[i]->second, wire::LetterPart::headOnly);
}

const wire::Letter& ClientRequests::letterOf(std::uint64_t number) const {
  if (const wire::Letter* const letter = letters_.find(number)) return *letter;
  throw Error::gone("there is no dead letter " + std::to_string(number), {});
}

void ClientRequests::letter(Answer answer, std::uint64_t number, std::uint64_t offset) const {
  const wire::Letter& letter = letterOf(number);
  auto to = answer.initLetter();
  wire::write(to.initLetter(), letter, wire::LetterPart::headOnly);
  to.setMessageBytes(letter.message.size());
  const std::size_t from = std::min<std::size_t>(offset, letter.message.size());
  const auto part =
      std::span(letter.message).subspan(from, std::min(kPartBytes, letter.message.size() - from));
  to.getLetter().setMessage({reinterpret_cast<const kj::byte*>(part.data()), part.size()});
}

void ClientRequests::resend(std::uint64_t number) {
  directory_.resend(letterOf(number));
  letters_.remove(number);
}

void ClientRequests::purge(Answer answer, std::uint64_t number) {
  if (number == 0) return answer.setPurged(letters_.clear());
  static_cast<void>(letterOf(number));
  letters_.remove(number);
  answer.setPurged(1);
}

// In standard framing, so that whoever gets them need not trust them.
void ClientRequests::schema(Answer answer, wire::ClientRequest::Schema::Reader asked) const {
  const auto all = hooks_.schema(asked.getInterface());
  if (all.empty()) throw Error::gone("the program knows nothing of the interface that was asked for", {});
  const auto first =
      all.begin() + static_cast<std::ptrdiff_t>(std::min<std::size_t>(asked.getFrom(), all.size()));
  const auto [page, more] = pageFrom(first, all.end(), [](const capnp::_::RawSchema* node) {
    return (std::size_t{node->encodedSize} + 1) * sizeof(capnp::word);
  });
  auto part = answer.initSchema();
  part.setMore(more);
  auto nodes = part.initNodes(static_cast<unsigned>(page.size()));
  for (unsigned i = 0; i < nodes.size(); ++i) {
    const capnp::_::RawSchema& node = **page[i];
    const kj::ArrayPtr<const capnp::word> segment(node.encodedNode, node.encodedSize);
    const auto bytes = wire::flatBytes(std::span(&segment, 1));
    nodes.set(i, {reinterpret_cast<const kj::byte*>(bytes.data()), bytes.size()});
  }
}

// Its process is an actor below the root like others; only that it goes for good with the connection.
void ClientRequests::startSession(const std::string& id, const os::Fd& connection, const std::string& asker) {
  wire::ControlMessage message;
  message->setFrom(asker.c_str());
  message->setRequest(1);
  auto manage = message->initManage();
  manage.setSupervisor("/");
  auto start = manage.initStartChild();
  start.setId(id.c_str());
  start.setType(ClientSession::type().c_str());
  actor::write(start.initSpec(), ClientSession::spec());
  const std::vector<Argument> arguments{
      ownDescriptor(DescriptorArgument::Kind::stream, os::duplicateOf(connection.get()).release())};
  actor::write(start.initArguments(1), arguments, message);
  auto received = wire::ReceivedControl::looped(message);
  directory_.onMessage(received);
}

void ClientRequests::manage(wire::Manage::Reader manage, const std::string& asker) {
  if (!manage.isStop() && !manage.isRestart() && !manage.isUpgrade() && !manage.isList() && !manage.isSpec())
    throw Error(ErrorKind::invalid,
                "from outside children can be stopped, restarted, upgraded and looked at only");
  wire::ControlMessage message;
  message->setFrom(asker.c_str());
  message->setRequest(1);
  message->setManage(manage);
  auto received = wire::ReceivedControl::looped(message);
  directory_.onMessage(received);
}

}  // namespace troupe::node
