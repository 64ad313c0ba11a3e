// Sockets as constructor arguments: how they cross into another process.
//
// A Stream moves: it is closed here once it is there. A Listener is shared: both processes accept.
#pragma once

#include <troupe/argument.h>
#include <troupe/net.h>

namespace troupe::detail {

template <>
struct ArgumentCodec<net::Stream> {
  // Errors: invalid, while something waits on the stream; system.
  static Argument toArgument(net::Stream stream);
  static net::Stream fromArgument(const Argument& value);
};

template <>
struct ArgumentCodec<net::Listener> {
  static Argument toArgument(const net::Listener& listener);
  static net::Listener fromArgument(const Argument& value);
  // -1: not in this process, as in a child that was started by exec and was not given it.
  static int descriptorOf(const net::Listener& listener) { return listener ? listener.fd() : -1; }
};

}  // namespace troupe::detail
