// The echo server as it is written with libuv: one process, callbacks.
#include <unistd.h>
#include <uv.h>

#include <cstdlib>

#include "tests/bench/compare/echo_server.h"
#include "tests/bench/compare/figure.h"

namespace troupe::bench {

namespace {

struct Write {
  uv_write_t request;
  uv_buf_t bytes;
};

void insist(int result, const char* what) {
  if (result < 0) fail(std::string(what) + ": " + uv_strerror(result));
}

void close(uv_stream_t* peer) {
  uv_close(reinterpret_cast<uv_handle_t*>(peer),
           [](uv_handle_t* handle) { delete reinterpret_cast<uv_tcp_t*>(handle); });
}

void onRead(uv_stream_t* peer, ssize_t got, const uv_buf_t* buffer) {
  if (got > 0) {
    auto* write = new Write{{}, uv_buf_init(buffer->base, static_cast<unsigned>(got))};
    insist(uv_write(&write->request, peer, &write->bytes, 1,
                    [](uv_write_t* request, int) {
                      auto* done = reinterpret_cast<Write*>(request);
                      std::free(done->bytes.base);
                      delete done;
                    }),
           "uv_write");
    return;
  }
  std::free(buffer->base);
  if (got < 0) close(peer);
}

void onConnection(uv_stream_t* listener, int status) {
  insist(status, "no connection");
  auto* peer = new uv_tcp_t;
  insist(uv_tcp_init(listener->loop, peer), "uv_tcp_init");
  auto* stream = reinterpret_cast<uv_stream_t*>(peer);
  insist(uv_accept(listener, stream), "uv_accept");
  const auto allocate = [](uv_handle_t*, std::size_t bytes, uv_buf_t* buffer) {
    *buffer = uv_buf_init(static_cast<char*>(std::malloc(bytes)), static_cast<unsigned>(bytes));
  };
  insist(uv_read_start(stream, allocate, onRead), "uv_read_start");
}

int serve(int fd) {
  uv_loop_t loop;
  uv_tcp_t listener;
  insist(uv_loop_init(&loop), "uv_loop_init");
  insist(uv_tcp_init(&loop, &listener), "uv_tcp_init");
  insist(uv_tcp_open(&listener, fd), "uv_tcp_open");
  insist(uv_listen(reinterpret_cast<uv_stream_t*>(&listener), 4096, onConnection), "uv_listen");
  return uv_run(&loop, UV_RUN_DEFAULT);
}

}  // namespace

EchoServer startLibuvEcho() {
  const Listening listening = listenHere();
  EchoServer server(listening.port);
  server.processes.push_back(std::make_unique<os::test::Child>([&] { return serve(listening.fd); }));
  ::close(listening.fd);
  return server;
}

}  // namespace troupe::bench
