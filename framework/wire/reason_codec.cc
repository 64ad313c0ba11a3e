#include "wire/reason_codec.h"

#include <algorithm>
#include <string_view>

namespace troupe::wire {

namespace {
constexpr auto kLastExitKind = static_cast<std::uint16_t>(ExitKind::recycled);
constexpr auto kLastErrorKind = static_cast<std::uint16_t>(ErrorKind::system);

// At most kMaxReasonText bytes of it, and no part of a character that was cut in two.
std::string_view shortened(std::string_view text) {
  if (text.size() <= kMaxReasonText) return text;
  std::size_t end = kMaxReasonText;
  for (unsigned i = 0; i < 3 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80; ++i) --end;
  return text.substr(0, end);
}

std::string shortText(capnp::Text::Reader text) { return std::string(shortened({text.cStr(), text.size()})); }

template <class Init>
void writeText(std::string_view text, Init init) {
  const auto kept = shortened(text);
  if (!kept.empty()) std::copy(kept.begin(), kept.end(), init(static_cast<unsigned>(kept.size())).begin());
}
}  // namespace

void write(ExitReasonData::Builder to, const ExitReason& reason) {
  to.setKind(static_cast<std::uint16_t>(reason.kind));
  to.setCode(reason.code);
  to.setCoreDumped(reason.coreDumped);
  to.setDuringStart(reason.duringStart);
  writeText(reason.text, [&](unsigned size) { return to.initText(size); });
}

ExitReason read(ExitReasonData::Reader from) {
  ExitReason reason;
  reason.kind = from.getKind() <= kLastExitKind ? static_cast<ExitKind>(from.getKind()) : ExitKind::exited;
  reason.code = from.getCode();
  reason.coreDumped = from.getCoreDumped();
  reason.duringStart = from.getDuringStart();
  reason.text = shortText(from.getText());
  return reason;
}

void write(ErrorData::Builder to, const Error& error) {
  to.setKind(static_cast<std::uint16_t>(error.kind()));
  writeText(error.message(), [&](unsigned size) { return to.initMessage(size); });
  to.setSystemError(error.systemError());
  write(to.initReason(), error.exitReason());
}

Error read(ErrorData::Reader from) {
  return Error::restored(errorKind(from.getKind()), shortText(from.getMessage()), read(from.getReason()),
                         from.getSystemError());
}

ErrorKind errorKind(std::uint16_t number) {
  return number <= kLastErrorKind ? static_cast<ErrorKind>(number) : ErrorKind::invalid;
}

}  // namespace troupe::wire
