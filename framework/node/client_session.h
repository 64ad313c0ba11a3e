// A client's own process: takes what the client wants to send to actors, sends it as an actor does, and tells it what became of that.
//
// So the root has nothing to do with what clients say, none of them can damage a mailbox, and what is true of the death of an actor is
// true of a client's: this process ends when the connection does.
//
// Order:   requests are begun in their order; answers come as they are ready.
// Bounds:  so many requests at a time, and no further one is read while answers lie here that the client does not read.
// Errors:  are answers. What is no request ends the connection.
// Threads: its loop's.
#pragma once

#include <troupe/actor.h>
#include <troupe/actor_class.h>
#include <troupe/net.h>
#include <troupe/net_argument.h>
#include <troupe/spec.h>

#include <cstddef>
#include <memory>
#include <string>

#include "loop/loop.h"
#include "os/channel.h"
#include "os/fd.h"
#include "schemas/client.capnp.h"
#include "wire/flat_message.h"
#include "wire/parts.h"

namespace troupe::node {

class ClientSession final : public Actor<ClientSession> {
 public:
  // How it is started (SupervisorRef::startChild).
  static std::string type();
  static ChildSpec spec();

  explicit ClientSession(net::Stream connection);
  void init();

 private:
  using Request = std::shared_ptr<const wire::FlatMessage>;
  static constexpr std::size_t kMostOpen = 64;

  void onReady();
  bool receive();
  void begin();
  Task<> serve(Request request);
  Task<std::vector<std::byte>> answerTo(Request request);
  Task<std::vector<std::byte>> find(Request request);
  Task<std::vector<std::byte>> call(Request request);
  Task<std::vector<std::byte>> cast(Request request);
  void send(std::vector<std::byte> answer);
  void close();
  void wait();

  os::Fd connection_;
  std::unique_ptr<loop::Poll> poll_;
  wire::PartsReader reader_;
  wire::PartsWriter writer_;
  os::ChannelMessage packet_;
  std::size_t open_ = 0;
  bool closed_ = false;
};

}  // namespace troupe::node
