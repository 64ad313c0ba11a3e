#include "wire/reason_codec.h"

namespace troupe::wire {

namespace {
constexpr auto kLastExitKind = static_cast<std::uint16_t>(ExitKind::notStarted);
constexpr auto kLastErrorKind = static_cast<std::uint16_t>(ErrorKind::system);

std::string toString(capnp::Text::Reader text) { return {text.cStr(), text.size()}; }
}  // namespace

void write(ExitReasonData::Builder to, const ExitReason& reason) {
  to.setKind(static_cast<std::uint16_t>(reason.kind));
  to.setCode(reason.code);
  to.setCoreDumped(reason.coreDumped);
  to.setDuringStart(reason.duringStart);
  if (!reason.text.empty()) to.setText(reason.text.c_str());
}

ExitReason read(ExitReasonData::Reader from) {
  ExitReason reason;
  reason.kind = from.getKind() <= kLastExitKind ? static_cast<ExitKind>(from.getKind()) : ExitKind::exited;
  reason.code = from.getCode();
  reason.coreDumped = from.getCoreDumped();
  reason.duringStart = from.getDuringStart();
  reason.text = toString(from.getText());
  return reason;
}

void write(ErrorData::Builder to, const Error& error) {
  to.setKind(static_cast<std::uint16_t>(error.kind()));
  to.setMessage(error.message().c_str());
  to.setSystemError(error.systemError());
  write(to.initReason(), error.exitReason());
}

Error read(ErrorData::Reader from) {
  return Error::restored(errorKind(from.getKind()), toString(from.getMessage()), read(from.getReason()),
                         from.getSystemError());
}

ErrorKind errorKind(std::uint16_t number) {
  return number <= kLastErrorKind ? static_cast<ErrorKind>(number) : ErrorKind::invalid;
}

}  // namespace troupe::wire
