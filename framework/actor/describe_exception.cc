#include "actor/describe_exception.h"

#include <kj/exception.h>

#include <new>

namespace troupe::actor {

std::string describe(std::exception_ptr exception) {
  try {
    std::rethrow_exception(std::move(exception));
  } catch (const kj::Exception& caught) {
    return caught.getDescription().cStr();
  } catch (const std::exception& caught) {
    return caught.what();
  } catch (...) {
    return "an exception that is no std::exception";
  }
}

bool isBadAlloc(std::exception_ptr exception) {
  try {
    std::rethrow_exception(std::move(exception));
  } catch (const std::bad_alloc&) {
    return true;
  } catch (...) {
    return false;
  }
}

}  // namespace troupe::actor
