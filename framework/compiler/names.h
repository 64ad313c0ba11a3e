// Names that a schema may not use for a method, and the spelling of names in generated code.
#pragma once

#include <string>
#include <string_view>

namespace troupe::compiler {

// "greetAll" as "GreetAll": Cap'n Proto's own way to name what belongs to a method or field.
std::string titleCase(std::string_view name);

// The name, with an underscore after it where it would be a word of C++ or one that generated code uses
// itself.
std::string parameterName(std::string_view name);
std::string typeParameterName(std::string_view name);

// Why a method can't have this name, such as "`delete` is a reserved word of C++"; empty where it can.
std::string whyReserved(std::string_view method);

}  // namespace troupe::compiler
