#include "compiler/edge.h"

#include "compiler/names.h"
#include "compiler/text.h"

#include <kj/debug.h>

#include <algorithm>
#include <bit>
#include <optional>

namespace troupe::compiler {
namespace {

using capnp::schema::Type;

// "template <class T, class Derived>": the type parameters of the interface, between `first` and `last`.
std::string templateHead(const EdgeContext& context, Node interface, const std::string& last,
                         const std::string& first = {}) {
  auto parameters = context.schema.typeParameters(interface);
  if (!first.empty()) parameters.insert(parameters.begin(), first);
  if (!last.empty()) parameters.push_back(last);
  return parameters.empty() ? "template <>" : str("template <class ", join(parameters, ", class "), ">");
}

bool isCast(Method method) { return method.getResultStructType() == kStreamResult; }

std::string fullName(const EdgeContext& context, Node interface, Method method) {
  return str(context.schema.plainName(interface), ".", cppNameOf(method));
}

// --- RefMethods ------------------------------------------------------------------------------------------

// One parameter of a short form, and the statements that put it into the message: with a builder, and with PlainParams, if they can.
struct Argument {
  std::string declaration;
  std::string statement;
  std::string plainStatement = {};
  std::string words = {};  // that it takes beside its struct, as an expression
};

std::optional<Argument> plainArgument(const EdgeContext& context, Field field, const Bindings& bound) {
  const auto type = field.getSlot().getType();
  const auto name = parameterName(cppNameOf(field));
  const auto set = str("params.set", titleCase(cppNameOf(field)));
  const auto plain = field.getSlot().getHadExplicitDefault()
                         ? std::string()
                         : str("params.set(", field.getSlot().getOffset(), ", ", name, ");");
  const auto copy = str(name, ".copyInto([&] { return params.init", titleCase(cppNameOf(field)), "(", name,
                        ".size()); });");
  switch (type.which()) {
    case Type::TEXT: return Argument{"TextArg " + name, copy, plain, name + ".words()"};
    case Type::DATA: return Argument{"DataArg " + name, copy, plain, name + ".words()"};
    case Type::INTERFACE: {
      const auto interface = context.schema.typeOf(type, bound);
      return Argument{str("const Ref<", interface.spell(), ">& ", name), str(set, "(", name, ");")};
    }
    case Type::LIST:
    case Type::STRUCT:
    case Type::ANY_POINTER: return std::nullopt;
    default:
      return Argument{str(context.schema.typeOf(type, bound).spell(), " ", name), str(set, "(", name, ");"),
                      plain};
  }
}

// The arguments of the short form; nothing where only a builder will do.
std::optional<std::vector<Argument>> shortForm(const EdgeContext& context, Method method) {
  const Node node = context.schema.node(method.getParamStructType());
  const auto params = node.getStruct();
  const auto bound =
      Schema::isImplicit(node) ? Bindings() : context.schema.bindings(node.getId(), method.getParamBrand());
  std::vector<Field> fields;
  for (const auto field : params.getFields()) {
    if (field.isGroup() || params.getDiscriminantCount() > 0) return std::nullopt;
    if (!field.getSlot().getType().isVoid()) fields.push_back(field);
  }
  std::sort(fields.begin(), fields.end(),
            [](Field a, Field b) { return a.getCodeOrder() < b.getCodeOrder(); });
  std::vector<Argument> arguments;
  for (const auto field : fields) {
    const auto type = field.getSlot().getType();
    if (fields.size() == 1 && type.isStruct()) {
      const auto name = parameterName(cppNameOf(field));
      return std::vector<Argument>{{str(context.schema.typeOf(type, bound).member("Reader"), " ", name),
                                    str("params.set", titleCase(cppNameOf(field)), "(", name, ");")}};
    }
    auto argument = plainArgument(context, field, bound);
    if (!argument) return std::nullopt;
    arguments.push_back(std::move(*argument));
  }
  return arguments;
}

std::string shortFormCode(const EdgeContext& context, Method method, const std::vector<Argument>& arguments) {
  std::vector<std::string> declarations;
  std::string statements;
  std::string plainStatements;
  std::string words = "0";
  bool plain = true;
  for (const auto& argument : arguments) {
    declarations.push_back(argument.declaration);
    statements += "      " + argument.statement + "\n";
    plainStatements += "      " + argument.plainStatement + "\n";
    if (!argument.words.empty()) words += " + " + argument.words;
    plain = plain && !argument.plainStatement.empty();
  }
  const auto params = context.schema.node(method.getParamStructType()).getStruct();
  return expand(plain ? R"(  auto $name$($arguments$) const {
    return this->$name$(plainFill<$data$, $pointers$>($words$, [&](auto params) {
$statements$    }, [&](PlainParams& params) {
$plainStatements$    }));
  }
)"
                      : R"(  auto $name$($arguments$) const {
    return this->$name$([&](auto params) {
$statements$    });
  }
)",
                {{"name", cppNameOf(method)},
                 {"arguments", join(declarations, ", ")},
                 {"data", str(params.getDataWordCount())},
                 {"pointers", str(params.getPointerCount())},
                 {"words", words},
                 {"statements", statements},
                 {"plainStatements", plainStatements}});
}

// What fills the parameters of a method that has none.
std::string emptyFill(const EdgeContext& context, Method method) {
  const auto params = context.schema.node(method.getParamStructType()).getStruct();
  return str("plainFill<", params.getDataWordCount(), ", ", params.getPointerCount(), ">(0, [](const ",
             context.schema.paramType(method).member("Builder"), "&) {}, [](PlainParams&) {})");
}

std::string methodComment(const EdgeContext& context, Node interface, unsigned index) {
  const auto method = interface.getInterface().getMethods()[index];
  std::string out = str("  // ", isCast(method) ? "Casts " : "Calls ", fullName(context, interface, method),
                        " (", context.file, ").\n");
  auto comment = context.schema.docComment(interface.getId(), index);
  while (!comment.empty()) {
    const auto end = std::min(comment.find('\n'), comment.size());
    auto text = std::string(comment.substr(0, end));
    if (text.ends_with('\\')) text += '.';  // or the comment would go on in the code
    out += str(text.empty() ? "  //" : "  // ", text, "\n");
    comment.remove_prefix(std::min(end + 1, comment.size()));
  }
  return out;
}

// Which of a struct's pointers are text and which data, where all are one or the other.
struct BytesMasks {
  std::uint64_t text = 0;
  std::uint64_t data = 0;
};
std::optional<BytesMasks> bytesMasks(Node node) {
  const auto type = node.getStruct();
  BytesMasks masks;
  if (type.getDiscriminantCount() > 0 || type.getPointerCount() > 64) return std::nullopt;
  for (const auto field : type.getFields()) {
    if (field.isGroup()) return std::nullopt;
    const auto slot = field.getSlot();
    if (!slot.getType().isText() && !slot.getType().isData()) continue;
    KJ_REQUIRE(slot.getOffset() < type.getPointerCount(), "a field is outside of its struct",
               field.getName());
    (slot.getType().isText() ? masks.text : masks.data) |= std::uint64_t{1} << slot.getOffset();
  }
  const auto found = std::popcount(masks.text | masks.data);
  return found == type.getPointerCount() ? std::optional(masks) : std::nullopt;
}

// The check of a method's parameters or results, as an expression.
std::string checkCode(const EdgeContext& context, NodeId type, Brand brand, const std::string& reader) {
  const auto function = context.checks.functionFor(type, brand);
  if (function.empty()) return "NothingToCheck{}";
  auto deep = str("[](const ", reader, "& in) { ", context.checksNamespace, "::", function, "(in); }");
  const auto masks = bytesMasks(context.schema.node(type));
  if (!masks) return deep;
  return str("bytesCheck<0x", hex(masks->text), ", 0x", hex(masks->data), ">(", deep, ")");
}

// `fill` is the expression that fills the parameters.
std::string sendCode(const EdgeContext& context, Node interface, unsigned index, const std::string& fill) {
  const auto method = interface.getInterface().getMethods()[index];
  const auto params = context.schema.paramType(method);
  auto types = params.spell();
  std::string check;
  if (!isCast(method)) {
    const auto results = context.schema.resultType(method);
    types += ", " + results.spell();
    check = ", " + checkCode(context, method.getResultStructType(), method.getResultBrand(),
                             results.member("Reader"));
  }
  return expand(R"(    return static_cast<const Derived&>(*this)
        .template $send$<$types$>(
            0x$id$, $number$, "$full$", $fill$$check$);
)",
                {{"send", isCast(method) ? "sendCast" : "sendCall"},
                 {"types", types},
                 {"id", hex(interface.getId())},
                 {"number", str(index)},
                 {"full", fullName(context, interface, method)},
                 {"fill", fill},
                 {"check", check}});
}

std::string refMethodCode(const EdgeContext& context, Node interface, unsigned index) {
  const auto method = interface.getInterface().getMethods()[index];
  const auto arguments = shortForm(context, method);
  const auto builder = context.schema.paramType(method).member("Builder");
  auto out = methodComment(context, interface, index);
  if (arguments && arguments->empty()) {
    return out + expand("  auto $name$() const {\n$send$  }\n",
                        {{"name", cppNameOf(method)},
                         {"send", sendCode(context, interface, index, emptyFill(context, method))}});
  }
  if (arguments) out += shortFormCode(context, method, *arguments);
  return out + expand(R"(  template <class Fill>
    requires std::invocable<Fill&, $builder$>
  auto $name$(Fill&& fill) const {
$send$  }
)",
                      {{"name", cppNameOf(method)},
                       {"send", sendCode(context, interface, index, "fill")},
                       {"builder", builder}});
}

// --- Handlers --------------------------------------------------------------------------------------------

constexpr std::string_view kCaseCode = R"(      case $number$: {
        constexpr bool named = requires { &Self::$name$; };
        constexpr bool takes = requires($parameters$) {
          self.$name$($arguments$);
        };
        static_assert(takes || named,
                      "$full$ has no handler, or a private one. Write in the actor, as a public member: "
                      "`void $name$($wanted$)`, or with troupe::Task<> in place of void");
        static_assert(takes || !named,
                      "the handler of $full$ has the wrong parameters. Write: "
                      "`void $name$($wanted$)`, or with troupe::Task<> in place of void");
        if constexpr (takes) {
          const auto handler = [&self]($parameters$) {
            return self.$name$($arguments$);
          };
          constexpr bool returns = HandlerResult<std::invoke_result_t<decltype(handler), $given$>>;
          static_assert(returns, "the handler of $full$ must return void or troupe::Task<>");
          if constexpr (returns) {
            turn.template $receive$<$types$>(
                $check$, handler);
          }
        }
        return true;
      }
)";

std::string caseCode(const EdgeContext& context, Node interface, unsigned index) {
  const auto method = interface.getInterface().getMethods()[index];
  const auto title = titleCase(cppNameOf(method));
  const auto in = title + "Params";
  const auto out = title + "Results";
  const auto params = context.schema.paramType(method);
  const auto check = checkCode(context, method.getParamStructType(), method.getParamBrand(), in);
  const bool cast = isCast(method);
  return expand(kCaseCode, {{"number", str(index)},
                            {"name", cppNameOf(method)},
                            {"full", fullName(context, interface, method)},
                            {"parameters", str("const ", in, "& in", cast ? "" : str(", ", out, "&& out"))},
                            {"arguments", cast ? "in" : "in, std::move(out)"},
                            {"wanted", str(in, " in", cast ? "" : str(", ", out, " out"))},
                            {"given", str("const ", in, "&", cast ? "" : str(", ", out))},
                            {"receive", cast ? "cast" : "call"},
                            {"types", params.spell() +
                                          (cast ? "" : str(", ", context.schema.resultType(method).spell()))},
                            {"check", check}});
}

std::string aliasCode(const EdgeContext& context, Method method) {
  const auto title = titleCase(cppNameOf(method));
  auto out = str("  using ", title, "Params = ", context.schema.paramType(method).member("Reader"), ";\n");
  if (!isCast(method))
    out += str("  using ", title, "Results = Results<", context.schema.resultType(method).spell(), ">;\n");
  return out;
}

}  // namespace

std::string protocolCode(const EdgeContext& context, Node interface) {
  std::vector<std::string> all;
  for (const auto& ancestor : context.schema.ancestors(interface)) all.push_back(ancestor.type.spell());
  std::string cases;
  const auto methods = interface.getInterface().getMethods();
  for (unsigned i = 0; i < methods.size(); ++i)
    cases += str("      case ", i, ": return \"", cppNameOf(methods[i]), "\";\n");
  const auto methodName =
      expand(cases.empty() ? "  static const char* methodName(std::uint16_t) { return nullptr; }\n"
                           : R"(  static const char* methodName(std::uint16_t method) {
    switch (method) {
$cases$      default: return nullptr;
    }
  }
)",
             {{"cases", cases}});
  return expand(R"($template$
struct Protocol<$interface$> {
  static constexpr std::uint64_t kId = 0x$id$;
  static constexpr const char* kName = "$name$";
  using All = TypeList<$all$>;

$methodName$};
)",
                {{"template", templateHead(context, interface, {})},
                 {"interface", context.schema.ownType(interface).spell()},
                 {"id", hex(interface.getId())},
                 {"name", context.schema.plainName(interface)},
                 {"all", join(all, ", ")},
                 {"methodName", methodName}});
}

std::string refMethodsCode(const EdgeContext& context, Node interface) {
  std::vector<std::string> methods;
  for (unsigned i = 0; i < interface.getInterface().getMethods().size(); ++i)
    methods.push_back(refMethodCode(context, interface, i));
  return expand("$template$\nclass RefMethods<$interface$, Derived> {$public$$methods$};\n",
                {{"template", templateHead(context, interface, "Derived")},
                 {"interface", context.schema.ownType(interface).spell()},
                 {"public", methods.empty() ? "" : "\n public:\n"},
                 {"methods", join(methods, "\n")}});
}

std::string handlersCode(const EdgeContext& context, Node interface) {
  const auto methods = interface.getInterface().getMethods();
  std::string aliases;
  std::string cases;
  for (unsigned i = 0; i < methods.size(); ++i) {
    aliases += aliasCode(context, methods[i]);
    cases += caseCode(context, interface, i);
  }
  const auto dispatch = expand(cases.empty() ? R"(  template <class Turn>
  static bool dispatch(Self&, std::uint16_t, Turn&) {
    return false;
  }
)"
                                             : R"(
  template <class Turn>
  static bool dispatch(Self& self, std::uint16_t method, Turn& turn) {
    switch (method) {
$cases$      default: return false;
    }
  }
)",
                               {{"cases", cases}});
  return expand("$template$\nclass Handlers<Self, $interface$> {\n public:\n$aliases$$dispatch$};\n",
                {{"template", templateHead(context, interface, {}, "Self")},
                 {"interface", context.schema.ownType(interface).spell()},
                 {"aliases", aliases},
                 {"dispatch", dispatch}});
}

}  // namespace troupe::compiler
