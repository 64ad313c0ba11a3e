// expect: log() can't write a value of this type
#include "greeter.actor.h"

struct Dish {};
bool use(const troupe::Logger& log, const Dish& dish) { return log.info("eats {}", dish); }
