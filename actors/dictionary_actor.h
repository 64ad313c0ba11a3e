// The actor that a dictionary is.
//
// State: the entries (actors/dictionary_entries.h), and a record of each watch that waits, behind those of the entries. Who watches
// is told outside of turns, each by a commit of its own: what a turn may hold back is limited, and how many watch is not.
#pragma once

#include <troupe/dictionary_client.h>
#include <troupe/kept.h>
#include <troupe/kept_table.h>

#include <map>
#include <string>
#include <utility>

#include "actors/alarm.h"
#include "actors/dictionary_entries.h"
#include "actors/parties.h"
#include "schemas/dictionary.actor.h"

namespace troupe::actors {

class DictionaryActor final : public Actor<DictionaryActor, DictionaryProtocol> {
 public:
  DictionaryActor(const DictionarySpec& spec, std::uint64_t type);

  void init();
  Task<> run();
  void get(GetParams in, GetResults out);
  void put(PutParams in, PutResults out);
  void remove(RemoveParams in, RemoveResults out);
  void page(PageParams in, PageResults out);
  void size(SizeParams in, SizeResults out);
  void clear(ClearParams in, ClearResults out);
  void watch(WatchParams in, WatchResults out);
  void unwatch(UnwatchParams in);

 private:
  using Version = DictionaryEntries::Version;
  using Answer = DictionaryProtocol::WatchResults::Builder;
  using Ticket = std::pair<Caller, std::uint64_t>;
  // As it is kept; the key follows.
  struct Watch {
    Caller owner;
    std::uint64_t ticket = 0;
    Version after = 0;
    Version since = 0;
    std::uint64_t all = 0;
    Later<DictionaryProtocol::WatchResults> call;
  };
  struct Waiting {
    Watch watch;
    std::string key;
    std::uint64_t record = 0;
  };

  template <class In>
  bool refuses(const In& in, auto& out) const;
  void loadWatch(std::uint64_t record, std::span<const std::byte> bytes);
  void keepWatch(Waiting waiting);
  void dropWatch(std::map<Ticket, Waiting>::iterator at);
  bool isNews(const Watch& watch, const std::string& key) const;
  void tell(const Watch& watch, const std::string& key, Answer answer) const;
  void changed();
  void tellAll();
  void onEnded(const Caller& party);

  DictionarySpec spec_;
  std::uint64_t type_;
  KeptTable table_;
  DictionaryEntries entries_;
  Kept<std::uint64_t> watches_;  // that ever waited
  std::map<Ticket, Waiting> waiting_;
  Ticket told_;  // the last one
  Parties parties_;
  Alarm alarm_;
};

}  // namespace troupe::actors
