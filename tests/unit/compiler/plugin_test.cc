// The plug-in as a program: what it writes where, and how it fails.
#include "plugin.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace troupe::tests {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST_F(PluginTest, WritesAHeaderForEachSchemaThatIsNamed) {
  schema("a.capnp", "interface A { open @0 () -> (); }");
  schema("sub/b.capnp", "using A = import \"../a.capnp\"; interface B extends(A.A) {}");

  const auto outcome = compile("a.capnp sub/b.capnp");

  EXPECT_EQ(outcome.exitCode, 0) << outcome.output;
  EXPECT_EQ(outcome.output, "");
  EXPECT_THAT(read("a.actor.h"), HasSubstr("#include \"a.capnp.h\""));
  EXPECT_THAT(read("sub/b.actor.h"), HasSubstr("#include \"../a.actor.h\""));
  EXPECT_THAT(read("sub/b.actor.h"), HasSubstr("#include \"b.capnp.h\""));
}

TEST_F(PluginTest, WritesNothingForSchemasThatAreOnlyImported) {
  schema("a.capnp", "interface A { open @0 () -> (); }");
  schema("b.capnp", "using A = import \"a.capnp\"; interface B extends(A.A) {}");

  EXPECT_EQ(compile("b.capnp").exitCode, 0);
  EXPECT_FALSE(exists("a.actor.h"));
}

TEST_F(PluginTest, IncludesTheEdgesOfInterfacesThatAreUsed) {
  schema("shared/a.capnp", "interface A { open @0 () -> (); }\ninterface Lone {}");
  schema("shared/names.capnp", "using A = import \"a.capnp\".A;");
  schema("structs.capnp", "struct S { text @0 :Text; }");
  schema("x.capnp", R"(using Names = import "shared/names.capnp"; using S = import "structs.capnp".S;
interface X { give @0 (a :List(Names.A), s :S) -> (); })");
  schema("y.capnp", "using A = import \"/shared/a.capnp\".A; interface Y { answer @0 () -> (a :A); }");

  const auto outcome = shell("$CAPNP compile -I. -o$PLUGIN x.capnp y.capnp");

  EXPECT_EQ(outcome.exitCode, 0) << outcome.output;
  EXPECT_THAT(read("x.actor.h"), HasSubstr("#include \"shared/a.actor.h\"")) << "by another schema's alias";
  EXPECT_THAT(read("x.actor.h"), Not(HasSubstr("structs.actor.h"))) << "a struct needs no edge";
  EXPECT_THAT(read("y.actor.h"), HasSubstr("#include <shared/a.actor.h>"));
}

TEST_F(PluginTest, CommentsOfTheSchemaGoWithTheMethods) {
  schema("x.capnp", "interface X {\n  open @0 () -> ();\n  # Opens it.\n  #\n  # At once.\n}");

  EXPECT_EQ(compile("x.capnp").exitCode, 0);

  EXPECT_THAT(
      read("x.actor.h"),
      HasSubstr("  // Calls X.open (x.capnp).\n  // Opens it.\n  //\n  // At once.\n  auto open() const"));
}

TEST_F(PluginTest, SchemaWithoutInterfacesHasAHeaderToo) {
  schema("x.capnp",
         "struct S { text @0 :Text; } const c :Int32 = 3; enum E { a @0; } annotation n(struct) :Text;");

  EXPECT_EQ(compile("x.capnp").exitCode, 0);

  EXPECT_THAT(read("x.actor.h"), HasSubstr("#include \"x.capnp.h\""));
  EXPECT_THAT(read("x.actor.h"), Not(HasSubstr("troupe/actor.h")));
}

TEST_F(PluginTest, SameSchemaGivesTheSameText) {
  schema("x.capnp", "interface X(T) { put @0 (item :T) -> (); }");

  EXPECT_EQ(compile("x.capnp").exitCode, 0);
  const auto first = read("x.actor.h");
  EXPECT_EQ(compile("x.capnp").exitCode, 0);

  EXPECT_EQ(read("x.actor.h"), first);
}

TEST_F(PluginTest, OutputThatCantBeWrittenIsNamed) {
  schema("x.capnp", "interface X { open @0 () -> (); }");
  std::filesystem::create_directory(folder() / "x.actor.h");

  const auto outcome = compile("x.capnp");

  EXPECT_NE(outcome.exitCode, 0);
  EXPECT_THAT(outcome.output, HasSubstr("capnpc-troupe: can't write x.actor.h: Is a directory"));
}

bool oneLine(const std::string& text) {
  return std::count(text.begin(), text.end(), '\n') == 1 && text.ends_with('\n');
}

TEST_F(PluginTest, GarbageIsOneClearLine) {
  for (const std::string garbage :
       {"printf 'This is no request at all, only words.'", "printf '\\377%.0s' $(seq 800)",
        "head -c 4096 /dev/zero", "printf abc"}) {
    SCOPED_TRACE(garbage);
    const auto outcome = shell(garbage + " | $PLUGIN");

    EXPECT_EQ(outcome.exitCode, 1);
    EXPECT_TRUE(oneLine(outcome.output)) << outcome.output;
    EXPECT_THAT(outcome.output, HasSubstr("capnpc-troupe: "));
  }
}

TEST_F(PluginTest, DamagedRequestEndsWithAnErrorOrAHeader) {
  schema("x.capnp",
         "interface X(T) { put @0 (item :T) -> (); } interface Y extends(X(Text)) {} "
         "struct S { a @0 :List(S); g :group { t @1 :Text; } }");
  ASSERT_EQ(shell("$CAPNP compile -o- x.capnp > request").exitCode, 0);
  const auto request = read("request");

  for (std::size_t at = 8; at < request.size(); at += 37) {
    auto damaged = request;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x11);
    file("damaged", damaged);
    const auto outcome = shell("$PLUGIN < damaged");
    ASSERT_LE(outcome.exitCode, 1) << "byte " << at << ": " << outcome.output;
    ASSERT_EQ(outcome.exitCode == 0, outcome.output.empty()) << "byte " << at << ": " << outcome.output;
  }
}

// What the fuzzer found, and a request of each kind that it begins with.
TEST_F(PluginTest, RequestsThatTheFuzzerKeepsEndWithAnErrorOrAHeader) {
  const std::filesystem::path corpus = TROUPE_COMPILER_CORPUS;
  ASSERT_TRUE(std::filesystem::exists(corpus / "nested_circle"));

  for (const auto& request : std::filesystem::directory_iterator(corpus)) {
    SCOPED_TRACE(request.path().filename());
    const auto outcome = shell("$PLUGIN < '" + request.path().string() + "'");

    EXPECT_LE(outcome.exitCode, 1);
    EXPECT_EQ(outcome.exitCode == 0, outcome.output.empty()) << outcome.output;
  }
}

TEST_F(PluginTest, EmptyInputSaysHowToRunIt) {
  const auto outcome = shell("$PLUGIN < /dev/null");

  EXPECT_EQ(outcome.exitCode, 1);
  EXPECT_THAT(outcome.output, HasSubstr("standard input is empty; run it through the compiler"));
}

TEST_F(PluginTest, TellsOfItselfWhenAsked) {
  EXPECT_EQ(shell("$PLUGIN --version").exitCode, 0);
  EXPECT_THAT(shell("$PLUGIN --version").output, HasSubstr("capnpc-troupe 0."));
  EXPECT_THAT(shell("$PLUGIN --help").output, HasSubstr("capnp compile -oc++ -otroupe greeter.capnp"));
  EXPECT_EQ(shell("$PLUGIN --helpp").exitCode, 1);
  EXPECT_THAT(shell("$PLUGIN --helpp").output, HasSubstr("unknown argument \"--helpp\""));
}

}  // namespace
}  // namespace troupe::tests
