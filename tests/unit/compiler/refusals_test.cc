// Schemas that can't be served are refused, with the place and the reason.
#include "plugin.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace troupe::tests {
namespace {

using testing::HasSubstr;
using testing::Not;

class RefusalsTest : public PluginTest {};

TEST_F(RefusalsTest, MethodNamedLikeAMemberOfAnActor) {
  const auto said = refusal(R"(
interface Greeter {
  init @0 () -> ();
})");

  EXPECT_THAT(said, HasSubstr("x.capnp:3: error: `init` in interface Greeter can't be a method: "
                              "`init` is a member of troupe::Actor"));
}

TEST_F(RefusalsTest, MethodNamedLikeAMemberOfARef) {
  EXPECT_THAT(refusal("interface Clock {\n  within @0 () -> stream; }"),
              HasSubstr("x.capnp:2: error: `within` in interface Clock can't be a method: "
                        "`within` is a member of troupe::Ref"));
}

TEST_F(RefusalsTest, MethodNamedLikeAWordOfCpp) {
  EXPECT_THAT(refusal("interface File {\n\n  open @0 () -> ();\n  delete @1 () -> ();\n}"),
              HasSubstr("x.capnp:4: error: `delete` in interface File can't be a method: "
                        "`delete` is a reserved word of C++"));
}

TEST_F(RefusalsTest, MethodNamedLikeAMacro) {
  EXPECT_THAT(refusal("interface Log { errno @0 () -> (); }"),
              HasSubstr("`errno` is a macro of the C library"));
}

TEST_F(RefusalsTest, EveryFaultOfEverySchemaIsToldAtOnce) {
  schema("a.capnp", "interface A {\n  run @0 () -> ();\n  stop @1 () -> ();\n}");
  schema("b.capnp", "interface B { find @0 () -> (); }");
  schema("good.capnp", "interface Good { greet @0 () -> (); }");

  const auto said = compile("a.capnp b.capnp good.capnp").output;

  EXPECT_THAT(said, HasSubstr("a.capnp:2: error: `run`"));
  EXPECT_THAT(said, HasSubstr("a.capnp:3: error: `stop`"));
  EXPECT_THAT(said, HasSubstr("b.capnp:1: error: `find`"));
  EXPECT_FALSE(exists("good.actor.h")) << "all or nothing";
}

TEST_F(RefusalsTest, GenericMethod) {
  EXPECT_THAT(refusal("interface Maker {\n  make @0 [T] (like :T) -> (made :T);\n}"),
              HasSubstr("x.capnp:2: error: `make` in interface Maker has type parameters of its own; "
                        "only interfaces can be generic"));
}

TEST_F(RefusalsTest, InterfaceInsideAGenericType) {
  EXPECT_THAT(refusal("struct Box(T) {\n  value @0 :T;\n  interface Lid {\n    lift @0 () -> (); }\n}"),
              HasSubstr("x.capnp:3: error: interface Box.Lid is nested in a generic type"));
}

TEST_F(RefusalsTest, TwoMethodsOfOneName) {
  const auto said = refusal(R"(using Cxx = import "/capnp/c++.capnp";
interface Door {
  open @0 () -> ();
  unlock @1 () -> () $Cxx.name("open");
})");

  EXPECT_THAT(said,
              HasSubstr("x.capnp:4: error: `unlock` in interface Door has the same name in C++ as `open`"));
}

TEST_F(RefusalsTest, MethodNamedLikeAnInheritedOne) {
  EXPECT_THAT(refusal("interface A { open @0 () -> (); }\ninterface B extends(A) {\n  open @0 () -> ();\n}"),
              HasSubstr("x.capnp:3: error: `open` in interface B is also a method of A, which it extends"));
}

TEST_F(RefusalsTest, MethodInheritedFromTwoInterfaces) {
  EXPECT_THAT(refusal("interface A { open @0 () -> (); }\ninterface B { open @0 () -> (); }\n"
                      "interface C extends(A, B) {}"),
              HasSubstr("x.capnp:3: error: interface C inherits `open` from A and from B"));
}

TEST_F(RefusalsTest, GenericInterfaceInheritedForTwoTypes) {
  EXPECT_THAT(
      refusal("interface A(T) { put @0 (item :T) -> (); }\ninterface B extends(A(Text), A(Data)) {}"),
      HasSubstr(
          "x.capnp:2: error: interface B extends A twice, as ::A<::capnp::Text> and as ::A<::capnp::Data>"));
}

TEST_F(RefusalsTest, StructNamedLikeTheParametersOfAMethod) {
  EXPECT_THAT(refusal("interface A {\n  open @0 (key :Text) -> ();\n  struct OpenParams {}\n}"),
              HasSubstr("x.capnp:3: error: `OpenParams` in interface A is also the name of "
                        "the parameters of its method `open`"));
}

TEST_F(RefusalsTest, NameThatAnAnnotationMendsIsAccepted) {
  schema("x.capnp", R"(using Cxx = import "/capnp/c++.capnp";
interface File { delete @0 () -> () $Cxx.name("remove"); })");

  const auto outcome = compile("x.capnp");

  EXPECT_EQ(outcome.exitCode, 0) << outcome.output;
  EXPECT_THAT(read("x.actor.h"), HasSubstr("auto remove() const"));
}

TEST_F(RefusalsTest, LineIsFoundAlsoWhereOutputGoesElsewhere) {
  schema("deep/src/x.capnp", "interface A {\n  run @0 () -> ();\n}");
  file("out/empty", "");

  const auto said = shell("$CAPNP compile -o$PLUGIN:out --src-prefix=deep/src deep/src/x.capnp").output;

  EXPECT_THAT(said, HasSubstr("x.capnp:2: error: `run`"));
}

TEST_F(RefusalsTest, WithoutItsSourceASchemaIsNamedAlone) {
  schema("gone.capnp", "interface A {\n  run @0 () -> ();\n}");

  const auto said =
      shell("$CAPNP compile -o- gone.capnp > request && rm gone.capnp && $PLUGIN < request").output;

  EXPECT_THAT(said, HasSubstr("gone.capnp: error: `run`"));
}

TEST_F(RefusalsTest, NothingIsWrongWithMembersOfOtherKinds) {
  schema("x.capnp",
         "struct S { run @0 :Text; }\nenum E { init @0; }\n"
         "interface A { open @0 (find :Text, delete :Bool) -> (stop :Text); }");

  EXPECT_EQ(compile("x.capnp").exitCode, 0);
}

}  // namespace
}  // namespace troupe::tests
