// A puppet all of whose methods do nothing: for actors of a test that want a few of them.
#pragma once

#include "tests/support/puppet.h"

namespace tests {

template <class Derived>
class QuietPuppet : public troupe::Actor<Derived, Puppet> {
  using Base = troupe::Actor<Derived, Puppet>;

 public:
  void who(typename Base::WhoParams, typename Base::WhoResults out) { out.setPid(this->self().pid()); }
  void echo(typename Base::EchoParams in, typename Base::EchoResults out) { out.setText(in.getText()); }
  void note(typename Base::NoteParams in) { Board::shared().note(in.getText().cStr()); }
  void crash(typename Base::CrashParams in, typename Base::CrashResults) { endAs(in.getHow().cStr()); }
  void die(typename Base::DieParams in) { endAs(in.getHow().cStr()); }
  void leave(typename Base::LeaveParams) { this->stop(); }
  void nap(typename Base::NapParams, typename Base::NapResults) {}
  void hang(typename Base::HangParams, typename Base::HangResults) { endAs("hang"); }
  void deny(typename Base::DenyParams, typename Base::DenyResults) {}
  void relay(typename Base::RelayParams, typename Base::RelayResults) {}
  void lookUp(typename Base::LookUpParams, typename Base::LookUpResults) {}
  void grow(typename Base::GrowParams, typename Base::GrowResults) {}
  void files(typename Base::FilesParams, typename Base::FilesResults) {}
  void nobody(typename Base::NobodyParams, typename Base::NobodyResults) {}
  void callSelf(typename Base::CallSelfParams, typename Base::CallSelfResults) {}
  void everyone(typename Base::EveryoneParams, typename Base::EveryoneResults) {}
};

// Notes what it gets; after nap() not before the board says "go on".
class Slow final : public QuietPuppet<Slow> {
 public:
  void echo(EchoParams in, EchoResults) { Board::shared().note(in.getText().cStr()); }
  Task<> nap(NapParams, NapResults) {
    Board::shared().note("busy");
    while (Board::shared().count("go on") == 0) co_await sleepFor(std::chrono::milliseconds(1));
  }
};

}  // namespace tests
