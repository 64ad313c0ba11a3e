// gRPC over a Unix socket, in its blocking form: a unary call, and streams to the server.
#include <grpcpp/grpcpp.h>

#include "grpc.grpc.pb.h"
#include "tests/bench/peers/peer.h"

namespace {

using namespace peer;

constexpr const char* kAddress = "unix:grpc.socket";

class Server final : public Sink::Service {
 public:
  grpc::Status Echo(grpc::ServerContext*, const Body* in, Body* out) override {
    out->set_data(in->data());
    return grpc::Status::OK;
  }
  grpc::Status Take(grpc::ServerContext*, grpc::ServerReader<Body>* reader, Total* total) override {
    std::uint64_t messages = 0, sum = 0;
    for (Body in; reader->Read(&in); ++messages) {
      const std::string& data = in.data();
      sum += data.size() == kLargeBytes ? sumOfLarge(data.data(), data.size())
                                        : valueIn(data.data(), data.size());
    }
    total->set_messages(messages);
    total->set_sum(sum);
    return grpc::Status::OK;
  }
};

// For ever: killed when all else is over.
void serve(const Signal& ready) {
  Server service;
  grpc::ServerBuilder builder;
  builder.AddListeningPort(kAddress, grpc::InsecureServerCredentials());
  builder.SetMaxReceiveMessageSize(-1);
  builder.RegisterService(&service);
  const auto server = builder.BuildAndStart();
  if (!server) fail("no server");
  ready.set();
  server->Wait();
}

void insist(const grpc::Status& status) {
  if (!status.ok()) fail(status.error_message());
}

std::unique_ptr<Sink::Stub> connect() {
  const auto channel = grpc::CreateChannel(kAddress, grpc::InsecureChannelCredentials());
  if (!channel->WaitForConnected(std::chrono::system_clock::now() + std::chrono::seconds(30)))
    fail("no connection");
  return Sink::NewStub(channel);
}

double roundTrip(std::uint64_t count) {
  Processes processes;
  Signal ready;
  processes.start([&] { serve(ready); });
  ready.wait();
  const auto stub = connect();
  Body body, answer;
  return timeTrips(count, [&](const Message& message) {
    grpc::ClientContext context;
    body.set_data(&message, sizeof message);
    insist(stub->Echo(&context, body, &answer));
    return valueIn(answer.data().data(), answer.data().size());
  });
}

// Gives the sum of what the server has received.
std::uint64_t stream(Sink::Stub& stub, std::uint64_t count,
                     const std::function<void(Body&, std::uint64_t)>& fill) {
  grpc::ClientContext context;
  Total total;
  const auto writer = stub.Take(&context, &total);
  Body body;
  for (std::uint64_t i = 0; i < count; ++i) {
    fill(body, i);
    if (!writer->Write(body)) fail("a stream is broken");
  }
  writer->WritesDone();
  insist(writer->Finish());
  if (total.messages() != count) fail("another number of messages");
  return total.sum();
}

// Nanoseconds until all senders know that the server has received what they have sent.
double timeStreams(std::uint64_t senders, std::uint64_t each, std::uint64_t expected,
                   const std::function<void(Body&, std::uint64_t)>& fill) {
  Processes server, others;
  Signal ready, connected, begin, sent;
  server.start([&] { serve(ready); });
  ready.wait();
  for (std::uint64_t i = 0; i < senders; ++i) {
    others.start([&] {
      const auto stub = connect();
      connected.set();
      begin.wait();
      sent.set(stream(*stub, each, fill));
    });
  }
  for (std::uint64_t i = 0; i < senders; ++i) connected.wait();
  const double before = now();
  for (std::uint64_t i = 0; i < senders; ++i) begin.set();
  std::uint64_t sum = 0;
  for (std::uint64_t i = 0; i < senders; ++i) sum += sent.wait();
  const double took = now() - before;
  if (sum != expected) fail("another sum");
  return took;
}

double oneWay(std::uint64_t senders, std::uint64_t messages) {
  const std::uint64_t each = messages / senders;
  const auto fill = [](Body& body, std::uint64_t i) {
    const Message message{.value = valueOf(i)};
    body.set_data(&message, sizeof message);
  };
  return millionsASecond(senders * each, timeStreams(senders, each, senders * sumOf(each), fill));
}

double large(std::uint64_t count) {
  auto words = largeContents();
  const auto fill = [&](Body& body, std::uint64_t i) {
    number(words, i);
    body.set_data(words.data(), kLargeBytes);
  };
  return gigabytesASecond(count, timeStreams(1, count, sumOfLarges(count), fill));
}

}  // namespace

int main(int argc, char** argv) { return run(argc, argv, {roundTrip, oneWay, large}); }
