// expect-ok
#include "greeter.actor.h"

bool use(const troupe::Logger& log, const std::string& name) {
  return log.info("{{}} {1:>{2}} eats {0:}", name, 7, 4) && log.info("100% {") && log.info(name);
}
