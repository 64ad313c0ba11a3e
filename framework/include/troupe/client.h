// Client: a process that is no actor calls the actors of an app that runs on this machine. It blocks, and needs no event loop.
//
//     auto shop = troupe::Client::attach("shop");
//     auto till = shop.find<Till>("/till");
//     auto paid = till.pay(5, "Ada");                    a call: waits for the reply
//     till.note("5 from Ada");                           a cast: waits until there is room for it
//     till.within(1s).pay(5, "Ada");                     with a deadline of its own; the default is 5 s
//
// The app gives each client a process of its own, the actor "client@<pid>.<number>": from there its messages come, by all the rules
// for those of actors, and with it they end. When the client ends, however it does, so does that.
//
// Order:     what one Client sends to one actor arrives in the order of sending.
// Lifetime:  a ClientRef is a value and keeps the connection open. It stays valid when its actor is restarted.
// Ownership: a reply owns its message; readers taken from it are valid as long as it is.
// Errors:    those of calls and casts of actors: timedOut, gone, crashed, refused, overloaded, invalid. `gone` too, where the app
//            has ended; then attach again. After timedOut what was sent may still be handled.
// Threads:   any; what is sent through one Client waits for what another thread sends through it. Whoever wants them side by side
//            attaches more than once.
#pragma once

#include <troupe/ref.h>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

namespace troupe {

namespace detail {

class ClientState;

// A message that a client makes and sends.
class ClientDraft {
 public:
  ClientDraft(std::shared_ptr<ClientState> client, const RefBase& to, std::uint64_t interfaceId,
              std::uint16_t method, const char* name, bool isCall);
  ~ClientDraft();
  ClientDraft(const ClientDraft&) = delete;
  ClientDraft& operator=(const ClientDraft&) = delete;

  capnp::AnyPointer::Builder body();
  // Sends it, and waits.
  ReplyMessage call();
  void cast();
  // The reply is malformed: throws `invalid`.
  [[noreturn]] void malformed(const kj::Exception& what) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace detail

template <class I>
class ClientRef : public RefBase, public detail::RefMethodsOf<I, ClientRef<I>, typename Protocol<I>::All> {
 public:
  ClientRef(std::shared_ptr<detail::ClientState> client, RefBase actor)
      : RefBase(std::move(actor)), client_(std::move(client)) {}

  // To be put into messages.
  operator Ref<I>() const { return Ref<I>(static_cast<const RefBase&>(*this)); }

  // The same, with a deadline for what is sent with it. kForever: none.
  ClientRef within(Duration deadline) const {
    ClientRef other = *this;
    other.deadline_ = deadline;
    return other;
  }

  // Used by the generated methods.
  template <class Params, class Results, class Fill, class Check>
  Reply<Results> sendCall(std::uint64_t interfaceId, std::uint16_t method, const char* name, Fill&& fill,
                          const Check& check) const {
    detail::ClientDraft draft(client_, *this, interfaceId, method, name, true);
    fill(draft.body().template initAs<Params>());
    detail::ReplyMessage reply = draft.call();
    try {
      check(reply.checked().template getAs<Results>());
    } catch (const kj::Exception& exception) {
      draft.malformed(exception);
    }
    return Reply<Results>(std::move(reply));
  }
  template <class Params, class Fill>
  void sendCast(std::uint64_t interfaceId, std::uint16_t method, const char* name, Fill&& fill) const {
    detail::ClientDraft draft(client_, *this, interfaceId, method, name, false);
    fill(draft.body().template initAs<Params>());
    draft.cast();
  }

 private:
  std::shared_ptr<detail::ClientState> client_;
};

struct ClientSpec {
  // The app's key (App::key). The app must prove that it has it too. Where none is said, that of $TROUPE_KEY, or in the file
  // $TROUPE_KEY_FILE, is tried if the app asks for one.
  std::string key = {};
  // For attaching, and for finding actors. kForever: no limit.
  Duration within = kDefaultDeadline;
};

class Client {
 public:
  // `app` as the command `troupe` takes it: its name, or "name.pid" where several have that; or the path of its socket.
  // Errors: gone (no such app, or several), refused (the key), overloaded (it has too many clients), timedOut, system.
  static Client attach(const std::string& app, const ClientSpec& spec = {});

  // The actor of that name, as the app's main would find it: "/shop/till" by its path, "till" as a child of the root, or by an
  // app-wide name. Errors: gone, where there is none; invalid, where it does not serve I.
  template <class I>
  ClientRef<I> find(const std::string& name) const {
    return ClientRef<I>(state_, findActor(name, Protocol<I>::kId, Protocol<I>::kName));
  }
  // To call an actor that a reply refers to.
  template <class I>
  ClientRef<I> at(const Ref<I>& actor) const {
    return ClientRef<I>(state_, actor);
  }

  // "shop.1234"
  const std::string& app() const;

 private:
  explicit Client(std::shared_ptr<detail::ClientState> state) : state_(std::move(state)) {}
  RefBase findActor(const std::string& name, std::uint64_t interfaceId, const char* protocol) const;

  std::shared_ptr<detail::ClientState> state_;
};

}  // namespace troupe
