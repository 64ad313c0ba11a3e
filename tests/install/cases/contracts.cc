#include "protocols/deep/shop.actor.h"

const char* shopName() { return "corner"; }
