#include "compiler/names.h"

#include "compiler/text.h"

#include <algorithm>
#include <array>

namespace troupe::compiler {
namespace {

// C++20's keywords and alternative tokens.
constexpr std::array<std::string_view, 92> kCppWords = {
    "alignas",     "alignof",  "and",        "and_eq",    "asm",       "auto",         "bitand",
    "bitor",       "bool",     "break",      "case",      "catch",     "char",         "char16_t",
    "char32_t",    "char8_t",  "class",      "co_await",  "co_return", "co_yield",     "compl",
    "concept",     "const",    "const_cast", "consteval", "constexpr", "constinit",    "continue",
    "decltype",    "default",  "delete",     "do",        "double",    "dynamic_cast", "else",
    "enum",        "explicit", "export",     "extern",    "false",     "float",        "for",
    "friend",      "goto",     "if",         "inline",    "int",       "long",         "mutable",
    "namespace",   "new",      "noexcept",   "not",       "not_eq",    "nullptr",      "operator",
    "or",          "or_eq",    "private",    "protected", "public",    "register",     "reinterpret_cast",
    "requires",    "return",   "short",      "signed",    "sizeof",    "static",       "static_assert",
    "static_cast", "struct",   "switch",     "template",  "this",      "thread_local", "throw",
    "true",        "try",      "typedef",    "typeid",    "typename",  "union",        "unsigned",
    "using",       "virtual",  "void",       "volatile",  "wchar_t",   "while",        "xor",
    "xor_eq"};

// Macros of the C library that a method's name would fall prey to.
constexpr std::array<std::string_view, 7> kMacros = {"assert", "errno", "stderr", "stdin",
                                                     "stdout", "linux", "unix"};

// Members of troupe::Actor, which a handler of the same name would hide from its own actor, and of
// troupe::Ref, which a generated method of the same name would clash with. The complete list: a name that
// either class gains goes here too.
constexpr std::array<std::string_view, 19> kActorMembers = {
    "dispatch", "dispatchTo", "find",     "findSupervisor", "generation",
    "init",     "log",        "monitor",  "name",           "path",
    "pid",      "ref",        "run",      "self",           "sleepFor",
    "spawn",    "stop",       "stopping", "supervisor"};
constexpr std::array<std::string_view, 6> kRefMembers = {"deadline", "id",       "path",
                                                         "sendCall", "sendCast", "within"};

// What generated code names itself, besides parameters.
constexpr std::array<std::string_view, 3> kFunctionLocals = {"fill", "params", "plainFill"};
constexpr std::array<std::string_view, 16> kTypesInUse = {
    "DataArg",   "Derived",     "Fill",     "HandlerResult", "Handlers",   "NothingToCheck",
    "PlainFill", "PlainParams", "Protocol", "Ref",           "RefMethods", "Results",
    "Self",      "TextArg",     "Turn",     "TypeList"};

bool contains(const auto& words, std::string_view word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

}  // namespace

std::string titleCase(std::string_view name) {
  std::string out(name);
  if (!out.empty() && out[0] >= 'a' && out[0] <= 'z') out[0] = static_cast<char>(out[0] - 'a' + 'A');
  return out;
}

std::string parameterName(std::string_view name) {
  const bool taken = contains(kCppWords, name) || contains(kMacros, name) || contains(kFunctionLocals, name);
  return str(name, taken ? "_" : "");
}

std::string typeParameterName(std::string_view name) {
  return str(name, contains(kTypesInUse, name) ? "_" : "");
}

std::string whyReserved(std::string_view method) {
  if (contains(kCppWords, method)) return str("`", method, "` is a reserved word of C++");
  if (contains(kMacros, method)) return str("`", method, "` is a macro of the C library");
  if (contains(kActorMembers, method)) return str("`", method, "` is a member of troupe::Actor");
  if (contains(kRefMembers, method)) return str("`", method, "` is a member of troupe::Ref");
  return {};
}

}  // namespace troupe::compiler
