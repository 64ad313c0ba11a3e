#include <capnp/pretty-print.h>
#include <troupe/error.h>

#include <chrono>
#include <cstdio>
#include <map>

#include "cli/decode.h"
#include "cli/failure.h"
#include "cli/messages.h"
#include "cli/protocols.h"
#include "cli/table.h"
#include "wire/payload.h"

namespace troupe::cli {

namespace {

// So soon it looks whether an actor that has no process has one again.
constexpr std::chrono::milliseconds kAgain{50};

class Onlooker {
 public:
  Onlooker(const std::string& app, const std::string& actor, const Style& style)
      : style_(style),
        link_(appCalled(app), style.limit.value_or(kQuestion)),
        actor_(actorCalled(link_, actor)),
        protocols_(link_, actor_) {}

  // Process after process, as they come. Ends by itself only where it has seen so many.
  void lookOn(std::uint64_t count) {
    for (std::uint64_t seen = 0; count == 0 || seen < count;) {
      const os::Fd channel = link_.tap(actor_.path);
      os::ChannelMessage packet;
      while ((count == 0 || seen < count) && channel.valid() && receive(channel, packet))
        seen += show(packet.bytes) ? 1 : 0;
      if (count == 0 || seen < count) link_.waitForNews(kAgain);
    }
  }

 private:
  // False where the process has ended.
  static bool receive(const os::Fd& channel, os::ChannelMessage& packet) {
    for (;;) {
      const os::ChannelState state = os::receiveFrom(channel.get(), packet);
      if (state != os::ChannelState::wouldBlock) return state == os::ChannelState::done;
      os::waitReadable(channel.get(), std::chrono::milliseconds(-1));
    }
  }

  // False where it is no message, but says that from here on they are shown.
  bool show(std::span<const std::byte> bytes) {
    try {
      const wire::FlatMessage packet(bytes, wire::kNestingOfPayloads);
      const auto tapped = packet.root<wire::Tapped>();
      if (tapped.getSender() == 0) {
        std::fprintf(stderr, "troupe: looking on at %s of %s\n", plain(actor_.path).c_str(),
                     plain(link_.title()).c_str());
        return false;
      }
      const std::string text = textOf(tapped);
      std::fwrite(text.data(), 1, text.size(), stdout);
      std::fflush(stdout);
      return true;
    } catch (const kj::Exception& exception) {
      throw Failure(ExitCode::noAnswer,
                    "what " + actor_.path + " shows is malformed: " + exception.getDescription().cStr());
    }
  }

  std::string textOf(wire::Tapped::Reader tapped) {
    const MethodInfo* const method = protocols_.method(tapped.getInterface(), tapped.getMethod());
    const std::string name = method != nullptr ? method->name
                                               : "method " + std::to_string(tapped.getMethod()) + " of " +
                                                     hex(tapped.getInterface());
    const auto time =
        std::chrono::system_clock::time_point(std::chrono::duration_cast<std::chrono::system_clock::duration>(
            std::chrono::nanoseconds(tapped.getTime())));
    wire::PayloadReader payload(tapped.getParams());
    const bool shown = method != nullptr && tapped.getBytes() == 0;
    if (style_.json) {
      Json json;
      json.object().field("time", timeText(time)).field("sender", pathOf(tapped.getSender()));
      json.field("path", actor_.path).field("call", tapped.getCall()).field("methodName", name);
      json.field("dropped", tapped.getDropped()).field("bytes", tapped.getBytes()).key("parameters");
      if (shown) {
        writeStruct(json, payload.content().getAs<capnp::DynamicStruct>(method->params));
      } else {
        json.null();
      }
      return json.end().text() + "\n";
    }
    std::string text;
    if (tapped.getDropped() > 0)
      text += "(" + std::to_string(tapped.getDropped()) + " not shown: they came too fast)\n";
    text += timeText(time) + "  " + plain(pathOf(tapped.getSender())) + "  " + plain(name) +
            (tapped.getCall() ? "" : ", a cast") + "  ";
    if (!shown) return text + "(" + sizeText(tapped.getBytes()) + ")\n";
    const auto params = payload.content().getAs<capnp::DynamicStruct>(method->params);
    return text + capnp::prettyPrint(params).flatten().cStr() + "\n";
  }

  // Senders come and go; those that have gone have no path any more.
  const std::string& pathOf(std::uint64_t sender) {
    const auto known = paths_.find(sender);
    if (known != paths_.end()) return known->second;
    for (const ActorLine& line : link_.actors()) paths_[line.id] = line.path;
    return paths_.try_emplace(sender, "actor " + std::to_string(sender)).first->second;
  }

  const Style& style_;
  AppLink link_;
  ActorLine actor_;
  Protocols protocols_;
  std::map<std::uint64_t, std::string> paths_;
};

}  // namespace

std::string tapActor(const std::string& app, const std::string& actor, std::uint64_t count,
                     const Style& style) {
  Onlooker(app, actor, style).lookOn(count);
  return {};
}

}  // namespace troupe::cli
