#include <troupe/net_argument.h>

#include "os/fd.h"

namespace troupe::detail {

namespace {

int copyOf(const Argument& value, DescriptorArgument::Kind kind, const char* wanted) {
  const auto* held = std::get_if<DescriptorArgument>(&value);
  if (held == nullptr || held->kind != kind) wrongArgument(value, wanted);
  return os::duplicateOf(*held->descriptor).release();
}

}  // namespace

Argument ArgumentCodec<net::Stream>::toArgument(net::Stream stream) {
  return ownDescriptor(DescriptorArgument::Kind::stream, stream.releaseFd());
}

net::Stream ArgumentCodec<net::Stream>::fromArgument(const Argument& value) {
  return net::Stream::fromFd(copyOf(value, DescriptorArgument::Kind::stream, "a net::Stream"));
}

Argument ArgumentCodec<net::Listener>::toArgument(const net::Listener& listener) {
  return ownDescriptor(DescriptorArgument::Kind::listener, os::duplicateOf(listener.fd()).release());
}

net::Listener ArgumentCodec<net::Listener>::fromArgument(const Argument& value) {
  return net::Listener::fromFd(copyOf(value, DescriptorArgument::Kind::listener, "a net::Listener"));
}

}  // namespace troupe::detail
