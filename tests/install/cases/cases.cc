#include "greeter.actor.h"
#include "protocols/deep/shop.actor.h"
#include "protocols/ware.capnp.h"

#include <capnp/message.h>

int main() {
  capnp::MallocMessageBuilder message;
  message.initRoot<Ware>().setName("pear");
  return message.getRoot<Ware>().getName() == "pear" ? 0 : 1;
}
