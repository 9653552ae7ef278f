#include <algorithm>
#include <functional>
#include <unordered_map>
#include <unordered_set>
#include <variant>

#include "base/dns/record.h"
#include "base/dns/zone.h"

namespace sekisho::dns {
namespace {

// Found by wire octets without making a Name.
struct WireHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view wire) const { return std::hash<std::string_view>()(wire); }
};
template <class T>
using WireMap = std::unordered_map<std::string, T, WireHash, std::equal_to<>>;
using WireSet = std::unordered_set<std::string, WireHash, std::equal_to<>>;

constexpr Type kCommonTypes[] = {Type::kA,   Type::kNs,   Type::kSoa, Type::kPtr, Type::kMx,
                                 Type::kTxt, Type::kAaaa, Type::kSpf, Type::kTlsa};

std::string_view parent(std::string_view wire) {
  return wire.size() == 1 ? wire : wire.substr(1 + static_cast<unsigned char>(wire[0]));
}

AnswerPtr plain(Code code, const Name& name, std::uint32_t ttl_s = 0) {
  auto answer = std::make_shared<Answer>();
  answer->code = code;
  answer->canonical = name;
  answer->ttl_s = ttl_s;
  return answer;
}

// The CNAME chain leaves the zone here.
struct Edge {
  Name target;
  std::uint32_t ttl_s;
};
struct Outside {};
using Found = std::variant<AnswerPtr, Edge, Outside>;

struct Served {
  Name name;
  std::vector<std::pair<Type, AnswerPtr>> answers;
  AnswerPtr others;  // for every type without an answer of its own; null: follow the CNAME
  std::optional<Name> cname;
  std::uint32_t cname_ttl_s = 0;
};

class Overlay final : public Resolver {
 public:
  Overlay(const Zone& zone, std::unique_ptr<Resolver> below) : below_(std::move(below)) {
    for (const Name& origin : zone.origins()) add_origin(origin.wire());
    for (const auto& [name, node] : zone.nodes()) {
      const bool wildcard = name.wire().starts_with(std::string_view("\1*", 2));
      add_origin(wildcard ? parent(name.wire()) : std::string_view(name.wire()));
    }
    for (const auto& [name, node] : zone.nodes()) add_node(name, node);
    for (auto& [wire, served] : served_) finish_negative(served);
    join_chains();
  }

  AnswerPtr ready(const Name& name, Type type) override {
    const auto exact = served_.find(name.wire());
    if (exact != served_.end()) {
      if (const AnswerPtr* answer = own(exact->second, type)) return *answer;
    }
    Found found = find(name, type);
    if (auto* answer = std::get_if<AnswerPtr>(&found)) return std::move(*answer);
    if (auto* edge = std::get_if<Edge>(&found)) {
      if (!below_) return plain(Code::kServFail, edge->target);
      const AnswerPtr end = below_->ready(edge->target, type);
      return end ? with_ttl(end, edge->ttl_s) : nullptr;
    }
    return below_ ? below_->ready(name, type) : plain(Code::kServFail, name);
  }

  core::Task<AnswerPtr> lookup(Name name, Type type, core::Budget& budget) override {
    Found found = find(name, type);
    if (std::holds_alternative<Outside>(found) && below_) co_return co_await below_->lookup(name, type, budget);
    if (!budget.take_query()) co_return plain(Code::kNotAllowed, name);
    if (auto* answer = std::get_if<AnswerPtr>(&found)) co_return std::move(*answer);
    auto* edge = std::get_if<Edge>(&found);
    if (!edge || !below_) co_return plain(Code::kServFail, edge ? edge->target : name);
    AnswerPtr end = co_await below_->lookup(edge->target, type, budget);
    co_return with_ttl(end, edge->ttl_s);
  }

 private:
  static AnswerPtr with_ttl(const AnswerPtr& answer, std::uint32_t ttl_s) {
    if (answer->ttl_s <= ttl_s) return answer;
    auto copy = std::make_shared<Answer>(*answer);
    copy->ttl_s = ttl_s;
    return copy;
  }

  void add_origin(std::string_view wire) {
    origins_.emplace(wire);
    place(wire);
  }

  Served& place(std::string_view wire) {
    Served& served = served_[std::string(wire)];
    if (served.name.is_root() && wire.size() > 1) served.name = *Name::from_wire(wire);
    return served;
  }

  bool covered(std::string_view wire) const {
    for (;; wire = parent(wire)) {
      if (origins_.find(wire) != origins_.end()) return true;
      if (wire.size() == 1) return false;
    }
  }

  void add_node(const Name& name, const Zone::Node& node) {
    Served& served = place(name.wire());
    // Names on the way up to an origin exist, without records (RFC 4592 section 2.2.2).
    for (std::string_view up = parent(name.wire()); covered(up) && up.size() > 1; up = parent(up)) place(up);
    for (const auto& [type, code] : node.type_faults) served.answers.emplace_back(type, plain(code, name));
    if (node.fault) {
      served.others = plain(*node.fault, name);
      return;
    }
    for (const auto& [type, set] : node.sets) {
      if (node.type_faults.count(type)) continue;
      auto answer = std::make_shared<Answer>();
      for (const std::string& rdata : set.rdata) append_rdata(*answer, type, rdata);
      answer->code = Code::kRecords;
      answer->canonical = name;
      answer->ttl_s = set.ttl_s;
      if (type == Type::kCname) served.cname = answer->names.front(), served.cname_ttl_s = set.ttl_s;
      if (type == Type::kSoa) soa_ttls_[name.wire()] = std::min(set.ttl_s, *soa_minimum(set.rdata.front()));
      served.answers.emplace_back(type, std::move(answer));
    }
    if (node.other_types_fault) served.others = plain(*node.other_types_fault, name), served.cname.reset();
  }

  void finish_negative(Served& served) {
    if (!served.others && !served.cname) {
      served.others = plain(Code::kNoData, served.name, negative_ttl(served.name.wire()));
    }
  }

  // RFC 2308 section 5: the SOA's own TTL or its MINIMUM, whichever is less.
  std::uint32_t negative_ttl(std::string_view wire) const {
    for (;; wire = parent(wire)) {
      const auto soa = soa_ttls_.find(wire);
      if (soa != soa_ttls_.end()) return std::min(soa->second, kMaxNegativeTtl);
      if (wire.size() == 1) return kMaxNegativeTtl;
    }
  }

  // The ends of CNAME chains inside the zone are worked out once for the usual types, so that ready() only looks up.
  void join_chains() {
    std::vector<std::pair<Served*, std::pair<Type, AnswerPtr>>> made;
    for (auto& [wire, served] : served_) {
      if (!served.cname) continue;
      for (const Type type : kCommonTypes) {
        Found end = find(served.name, type);
        auto* answer = std::get_if<AnswerPtr>(&end);
        if (answer && !own(served, type)) made.emplace_back(&served, std::make_pair(type, *answer));
      }
    }
    for (auto& [served, answer] : made) served->answers.push_back(std::move(answer));
  }

  static const AnswerPtr* own(const Served& served, Type type) {
    for (const auto& [have, answer] : served.answers) {
      if (have == type) return &answer;
    }
    return served.others ? &served.others : nullptr;
  }

  // The name itself, or the wildcard that stands for it: the one below its closest encloser (RFC 4592 section 3.3.1).
  const Served* match(std::string_view wire, bool& wildcard) const {
    const auto exact = served_.find(wire);
    wildcard = exact == served_.end();
    if (!wildcard) return &exact->second;
    std::string_view up = wire;
    while (up.size() > 1) {
      up = parent(up);
      if (served_.find(up) == served_.end()) continue;
      std::string star("\1*", 2);
      star += up;
      const auto found = served_.find(star);
      return found == served_.end() ? nullptr : &found->second;
    }
    return nullptr;
  }

  Found find(const Name& name, Type type) const {
    Name at = name;
    std::uint32_t ttl_s = UINT32_MAX;
    for (unsigned cnames = 0; cnames <= kMaxCnames; ++cnames) {
      bool wildcard = false;
      const Served* served = match(at.wire(), wildcard);
      if (!served) {
        if (covered(at.wire())) {
          return plain(Code::kNxDomain, at, std::min(ttl_s, negative_ttl(at.wire())));
        }
        if (cnames == 0) return Outside{};
        return Edge{std::move(at), ttl_s};
      }
      if (const AnswerPtr* answer = own(*served, type)) {
        // A chain that was joined already ends elsewhere and keeps its end.
        if (!wildcard || (*answer)->canonical != served->name) return with_ttl(*answer, ttl_s);
        auto copy = std::make_shared<Answer>(**answer);
        copy->canonical = at;
        copy->ttl_s = std::min(copy->ttl_s, ttl_s);
        return AnswerPtr(std::move(copy));
      }
      ttl_s = std::min(ttl_s, served->cname_ttl_s);
      at = *served->cname;
    }
    return plain(Code::kMalformed, name);
  }

  WireMap<Served> served_;
  WireSet origins_;
  WireMap<std::uint32_t> soa_ttls_;
  std::unique_ptr<Resolver> below_;
};

}  // namespace

std::unique_ptr<Resolver> make_overlay(const Zone& zone, std::unique_ptr<Resolver> below) {
  return std::make_unique<Overlay>(zone, std::move(below));
}

}  // namespace sekisho::dns
