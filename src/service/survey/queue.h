#pragma once
// Which name is next, and for whom it must wait. Private to this room.
//
// No call looks at more than a few hundred names: a million of one domain at the head of a list, or a million that were
// asked before, are passed over in small pieces, so that the loop is never held.
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "service/survey/run.h"

namespace sekisho::survey {

class Queue {
 public:
  struct Turn {
    std::uint32_t index = 0;
    std::string domain;     // a place of it is taken
    std::string authority;  // likewise, when not empty
    bool settled = false;   // its authority is known, or not wanted
  };
  Queue(const std::vector<std::string>& names, const std::vector<Facts>& facts, Pace pace,
        const dmarc::PublicSuffixList* psl)
      : names_(names), facts_(facts), pace_(pace), psl_(psl) {}

  // Nothing: all that are left wait for others, or this millisecond's share of looking is used up.
  std::optional<Turn> take();
  // Takes a place of its authority. False: it has none free; the turn is given again when one is.
  bool settle(Turn& turn, std::string authority);
  void give_back(const Turn& turn);
  void again(std::uint32_t index) { late_.push_back(index); }  // when all others were asked
  bool is_tired() const { return left_ <= 0; }                 // take() ended because of its share
  bool is_empty() const;                                       // nothing but what is under way
  std::string registrable(const std::string& name) const;
  bool is_finished(const Facts& facts) const {
    return facts.tries > 0 && (!facts.may_mend() || facts.tries >= pace_.tries);
  }

 private:
  struct Group {
    unsigned under_way = 0;
    std::deque<std::uint32_t> waiting;
  };
  using Groups = std::unordered_map<std::string, Group>;
  std::optional<std::uint32_t> next();
  void replenish();

  const std::vector<std::string>& names_;
  const std::vector<Facts>& facts_;
  const Pace pace_;
  const dmarc::PublicSuffixList* psl_;
  std::size_t next_ = 0, waiting_ = 0, parked_ = 0, under_way_ = 0;
  std::deque<std::uint32_t> freed_, late_;
  std::deque<Turn> ready_;  // hold all their places
  Groups domains_, authorities_;
  std::int64_t left_ = 0, replenished_ms_ = 0;
};

}  // namespace sekisho::survey
