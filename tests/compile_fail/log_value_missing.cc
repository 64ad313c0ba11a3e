// expect: formatTakesMoreValues
#include "greeter.actor.h"

bool use(const troupe::Logger& log, const std::string& name) { return log.info("{} eats {}", name); }
