#include "service/survey/survey.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <map>
#include <sstream>
#include <tuple>

#include "base/dns/fault.h"
#include "base/dns/zone.h"
#include "base/io/io.h"
#include "service/survey/run.h"
#include "service/survey/table.h"

namespace sekisho::survey {
namespace {

std::string slurp(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}
void spill(const std::string& path, const std::string& text) { std::ofstream(path, std::ios::binary) << text; }

struct Place {
  std::string folder = [] {
    char name[] = "/tmp/survey-test-XXXXXX";
    return std::string(::mkdtemp(name));
  }();
  std::string path = folder + "/results";
  ~Place() { ::unlink(path.c_str()), ::rmdir(folder.c_str()); }
};

TEST(SurveyList, TakesWhatPeopleWriteAndTellsTheRest) {
  const auto list = read_list(
      "\xef\xbb\xbf# names\r\nA.example\r\n\r\n a.EXAMPLE. # again\nnot a "
      "name\n192.0.2.1\n日本語.example\nlast.example");
  EXPECT_EQ(list.names, (std::vector<std::string>{"a.example", "xn--wgv71a119e.example", "last.example"}));
  EXPECT_EQ(list.duplicates, 1u);
  ASSERT_EQ(list.garbage_count, 2u);
  EXPECT_EQ(list.garbage[0].line, 5u);
  EXPECT_EQ(list.garbage[0].text, "not a name");
  EXPECT_EQ(list.garbage[1].line, 6u);
  EXPECT_NE(list.digest, read_list("a.example").digest);
}

TEST(SurveyList, Classes) {
  EXPECT_EQ(class_of("a.co.jp"), Class::kCoJp);
  EXPECT_EQ(class_of("a.jp"), Class::kJp);
  EXPECT_EQ(class_of("cco.jp"), Class::kJp);
  EXPECT_EQ(class_of("a.de"), Class::kCountry);
  EXPECT_EQ(class_of("a.com"), Class::kGeneric);
}

Facts facts_of(const char* zone_text, const Plan& plan = {{}, {"s1", "s2"}}) {
  const auto zone = dns::Zone::parse(std::string("$ORIGIN example.\n") + zone_text);
  EXPECT_TRUE(zone.ok()) << (zone.ok() ? "" : zone.error().text());
  const auto resolver = dns::make_overlay(*zone, nullptr);
  return io::run(ask(*mail::Domain::parse("a.example"), plan, *resolver));
}
std::string_view said(const Facts& facts, Field field) { return words(field)[facts[field]]; }

TEST(SurveyAsk, ReadsEachRecord) {
  const auto facts = facts_of(
      "a MX 10 mx\na TXT \"v=spf1 include:b.example ~all\"\na TXT \"spf2.0/mfrom,pra -all\"\n"
      "_domainkey.a TXT \"o=-\"\ns2._domainkey.a TXT \"v=DKIM1; p=MIGf\"\n"
      "_dmarc.a TXT \"v=DMARC1; p=reject; sp=none; np=quarantine; psd=n; t=y\"\n"
      "_mta-sts.a TXT \"v=STSv1; id=1\"\n_smtp._tls.a TXT \"v=TLSRPTv1; rua=mailto:a@a.example\"\n"
      "default._bimi.a TXT \"v=BIMI1; l=\"\n");
  EXPECT_FALSE(facts.failed());
  EXPECT_EQ(said(facts, Field::kName), "exists");
  EXPECT_EQ(said(facts, Field::kMx), "mx");
  EXPECT_EQ(said(facts, Field::kSpf), "valid");
  EXPECT_EQ(said(facts, Field::kSpfAll), "softfail");
  EXPECT_EQ(said(facts, Field::kSenderId), "both");
  EXPECT_EQ(said(facts, Field::kDomainKeys), "signs_all");
  EXPECT_EQ(said(facts, Field::kDkim), "key");
  EXPECT_EQ(said(facts, Field::kDmarc), "p_reject");
  EXPECT_EQ(said(facts, Field::kDmarcSp), "sp_none");
  EXPECT_EQ(said(facts, Field::kDmarcNp), "np_quarantine");
  EXPECT_EQ(said(facts, Field::kDmarcPsd), "psd_no");
  EXPECT_EQ(said(facts, Field::kDmarcT), "testing");
  EXPECT_EQ(said(facts, Field::kMtaSts), "valid");
  EXPECT_EQ(said(facts, Field::kTlsRpt), "valid");
  EXPECT_EQ(said(facts, Field::kBimi), "valid");
}

TEST(SurveyAsk, OddAnswers) {
  EXPECT_EQ(said(facts_of("a MX 0 .\n"), Field::kMx), "null_mx");
  EXPECT_EQ(said(facts_of("b A 192.0.2.1\n"), Field::kName), "nxdomain");
  EXPECT_EQ(said(facts_of("a TXT \"v=spf1 -all\"\na TXT \"v=spf1 ?all\"\n"), Field::kSpf), "several");
  EXPECT_EQ(said(facts_of("a TXT \"v=spf1 ip4:nonsense -all\"\n"), Field::kSpf), "invalid");
  EXPECT_EQ(said(facts_of("a TXT \"v=spf1 redirect=b.example\"\n"), Field::kSpfAll), "redirect");
  EXPECT_EQ(said(facts_of("a TXT \"v=spf10 -all\"\n"), Field::kSpf), "none");
  EXPECT_EQ(said(facts_of("_dmarc.a TXT \"v=DMARC1; p=none\"\n_dmarc.a TXT \"v=DMARC1; p=none\"\n"), Field::kDmarc),
            "several");
}

// RFC 9989 section 4.10.1: what applies to the mail of a name may stand above it.
TEST(SurveyAsk, ThePolicyThatAppliesIsToldApart) {
  struct Case {
    const char *zone, *own, *applies, *from;
  };
  const Case cases[] = {
      {"a MX 10 mx\n", "none", "none", "none"},
      {"a MX 10 mx\n_dmarc.a TXT \"v=DMARC1; p=reject\"\n@ TXT x\n_dmarc TXT \"v=DMARC1; p=none\"\n", "p_reject",
       "p_reject", "own"},
      {"a MX 10 mx\n_dmarc.a TXT \"v=DMARC1; p=reject; t=y\"\n", "p_reject", "p_quarantine", "own"},
      {"a MX 10 mx\n_dmarc TXT \"v=DMARC1; p=reject\"\n", "none", "p_reject", "p_above"},
      {"a MX 10 mx\n_dmarc TXT \"v=DMARC1; p=reject; sp=quarantine; np=none\"\n", "none", "p_quarantine", "sp_above"},
      {"a MX 10 mx\n_dmarc.a TXT \"v=DMARC1; p=none\"\n_dmarc.a TXT \"v=DMARC1; p=reject\"\n"
       "_dmarc TXT \"v=DMARC1; p=reject\"\n",
       "several", "p_reject", "p_above"},
      {"a MX 10 mx\n;!servfail _dmarc\n", "none", "servfail", "none"},
      {"a MX 10 mx\n_dmarc.a TXT \"v=DMARC1; p=none\"\n;!servfail _dmarc\n", "p_none", "p_none", "own"},
  };
  for (const auto& one : cases) {
    const auto facts = facts_of(one.zone);
    EXPECT_EQ(said(facts, Field::kDmarc), one.own) << one.zone;
    EXPECT_EQ(said(facts, Field::kDmarcApplies), one.applies) << one.zone;
    EXPECT_EQ(said(facts, Field::kDmarcFrom), one.from) << one.zone;
  }
}

// Answers each question with what it was told, after a moment.
struct Told final : dns::Resolver {
  std::map<std::string, dns::Answer> answers;  // by name
  unsigned now = 0, most = 0, asked = 0;
  dns::AnswerPtr ready(const dns::Name&, dns::Type) override { return nullptr; }
  core::Task<dns::AnswerPtr> lookup(dns::Name name, dns::Type type, core::Budget&) override {
    ++asked;
    const bool counts = type != dns::Type::kNs;
    most = std::max(most, now += counts);
    (void)co_await io::sleep_until(io::now_ms() + 2);
    now -= counts;
    const auto found = answers.find(name.text() + (type == dns::Type::kNs ? " ns" : ""));
    co_return found == answers.end() ? std::make_shared<dns::Answer>() : std::make_shared<dns::Answer>(found->second);
  }
};

TEST(SurveyAsk, EachFaultHasItsName) {
  using enum dns::Code;
  using enum dns::Fault;
  const std::tuple<dns::Code, dns::Fault, const char*> cases[] = {
      {kTimeout, dns::Fault::kNone, "timeout"},     {kServFail, dns::Fault::kNone, "servfail"},
      {kServFail, dns::Fault::kRefused, "refused"}, {kServFail, kOtherRcode, "other_code"},
      {kMalformed, dns::Fault::kNone, "malformed"}, {kMalformed, dns::Fault::kTooManyRecords, "too_many_records"}};
  for (const auto& [code, fault, word] : cases) {
    Told resolver;
    resolver.answers["_dmarc.a.example"].code = code;
    dns::set_fault(resolver.answers["_dmarc.a.example"], fault);
    const Plan plan{{}, {"s1"}};
    const auto facts = io::run(ask(*mail::Domain::parse("a.example"), plan, resolver));
    EXPECT_EQ(said(facts, Field::kDmarc), word);
    EXPECT_TRUE(facts.failed());
    // Too many records are the same the next time; the other columns are asked now.
    const bool many = fault == dns::Fault::kTooManyRecords;
    EXPECT_EQ(facts.may_mend(), !many) << word;
    EXPECT_EQ(said(facts, Field::kBimi), many ? "none" : "not_asked");
    EXPECT_EQ(said(facts, Field::kDmarcApplies), "not_asked");
  }
}

TEST(SurveyAsk, AFaultIsNoNone) {
  const auto silent = facts_of("a MX 10 mx\n;!timeout _dmarc.a\n");
  EXPECT_TRUE(silent.failed());
  EXPECT_EQ(said(silent, Field::kDmarc), "timeout");
  EXPECT_EQ(said(silent, Field::kMtaSts), "not_asked");
  EXPECT_EQ(said(facts_of(";!servfail a\n"), Field::kMx), "servfail");
}

TEST(SurveyResults, EveryTornEndIsCutAndDamageIsRefused) {
  Place place;
  const auto list = read_list("a.example\nb.example\n");
  const Plan plan{{}, {"s1"}};
  Facts facts;
  facts.tries = 1;
  facts[Field::kSpf] = kFirstOwn;
  {
    auto results = Results::open(place.path, list, plan, 5);
    ASSERT_TRUE(results.ok()) << results.error();
    EXPECT_FALSE(Results::open(place.path, list, plan, 5).ok());  // one writer
    ASSERT_TRUE(results->append(0, facts) && results->append(1, facts));
  }
  const std::string whole = slurp(place.path);
  const std::size_t head = whole.find('\n') + 1, second = whole.find('\n', head) + 1;
  for (std::size_t size = 0; size <= whole.size(); ++size) {
    spill(place.path, whole.substr(0, size));
    auto results = Results::open(place.path, list, plan, 5);
    ASSERT_TRUE(results.ok()) << size << " " << results.error();
    EXPECT_EQ(results->facts[0] == facts, size >= second) << size;
    EXPECT_EQ(results->facts[1] == facts, size == whole.size()) << size;
    ASSERT_TRUE(results->append(1, facts));
    EXPECT_EQ(Results::read(place.path, 2)->facts[1], facts) << size;
  }
  for (std::size_t at = 0; at < second; ++at) {
    std::string bad = whole;
    bad[at] ^= 1;
    spill(place.path, bad);
    EXPECT_FALSE(Results::open(place.path, list, plan, 5).ok()) << at;
    EXPECT_EQ(slurp(place.path), bad);  // nothing was cut away
  }
  // Another version says so; a head that promises more names than the list has costs no memory.
  spill(place.path, "d155533b\tsekisho-survey 9\tmore\n");
  const auto other = Results::open(place.path, list, plan, 5);
  ASSERT_FALSE(other.ok());
  EXPECT_NE(other.error().find("another version of sekisho (sekisho-survey 9)"), std::string::npos) << other.error();
  spill(place.path, whole);
  EXPECT_FALSE(Results::read(place.path, 1).ok());
  const std::string link = place.folder + "/link";
  ASSERT_EQ(::symlink(place.path.c_str(), link.c_str()), 0);
  const auto linked = Results::open(link, list, plan, 5);
  ::unlink(link.c_str());
  ASSERT_FALSE(linked.ok());
  EXPECT_NE(linked.error().find("symbolic link"), std::string::npos);
  EXPECT_EQ(slurp(place.path), whole);
  EXPECT_FALSE(Results::open(place.path, read_list("c.example"), plan, 5).ok());
  EXPECT_FALSE(Results::open(place.path, list, Plan{{Field::kSpf}, {"s1"}}, 5).ok());
  EXPECT_TRUE(Results::open(place.path, list, plan, 6).ok());
}

// A disk that takes half of a write and then no more.
struct Full final : store::FileOps {
  bool full = false;
  core::Result<std::size_t, store::OsError> write(int fd, std::string_view octets, std::uint64_t offset) override {
    if (!full || octets.size() < 2)
      return full ? core::Result<std::size_t, store::OsError>(core::error(ENOSPC)) : FileOps::write(fd, octets, offset);
    return FileOps::write(fd, octets.substr(0, octets.size() / 2), offset);
  }
};

TEST(SurveyResults, AFullDiskSpoilsNothing) {
  Place place;
  const auto list = read_list("a.example\nb.example\n");
  const Plan plan{{}, {"s1"}};
  Facts facts;
  facts.tries = 1;
  Full disk;
  {
    auto results = Results::open(place.path, list, plan, 5, disk);
    ASSERT_TRUE(results.ok() && results->append(0, facts));
    disk.full = true;
    EXPECT_FALSE(results->append(1, facts));
    EXPECT_EQ(results->facts[1].tries, 0);
    disk.full = false;
    ASSERT_TRUE(results->append(1, facts));  // over the half line
  }
  disk.full = true;
  EXPECT_FALSE(Results::open(place.folder + "/new", list, plan, 5, disk).ok());
  ::unlink((place.folder + "/new").c_str());
  const auto again = Results::open(place.path, list, plan, 5);
  ASSERT_TRUE(again.ok()) << again.error();
  EXPECT_EQ(again->torn_octets, 0u);
  EXPECT_EQ(again->facts[1], facts);
}

struct Quiet final : Watcher {
  std::size_t names = 0;
  bool stop() override { return false; }
  void done(std::size_t, std::size_t) override { ++names; }
};

TEST(SurveyRun, AsksAllAndTriesFailedOnesAgain) {
  Place place;
  std::string zone_text = "$ORIGIN .\n;!timeout n7.example\n", names;
  for (int i = 0; i < 500; ++i) names += "n" + std::to_string(i) + ".example\n";
  for (int i = 0; i < 500; i += 2) zone_text += "n" + std::to_string(i) + ".example. TXT \"v=spf1 -all\"\n";
  const auto zone = dns::Zone::parse(zone_text);
  ASSERT_TRUE(zone.ok());
  const auto resolver = dns::make_overlay(*zone, nullptr);
  const auto list = read_list(names);
  const Plan plan{{Field::kSpf}, {}};
  auto results = Results::open(place.path, list, plan, 5);
  ASSERT_TRUE(results.ok());
  Quiet watcher;
  EXPECT_EQ(io::run(run(list, plan, Pace{}, nullptr, *resolver, *results, watcher)), End::kDone);
  EXPECT_EQ(watcher.names, 500u);
  EXPECT_EQ(results->facts[7].tries, 2);
  const auto table = count(list.names, results->facts);
  EXPECT_EQ(table.all.asked, 500u);
  EXPECT_EQ(table.all.failed, 1u);
  EXPECT_EQ(table.all.count(Field::kSpf, "valid"), 250u);
}

TEST(SurveyRun, IsPoliteToOneDomain) {
  std::string below, apart;
  for (int i = 0; i < 100; ++i) {
    below += "h" + std::to_string(i) + ".one.example\n";
    apart += "one.h" + std::to_string(i) + ".example\n";
  }
  for (const bool one_domain : {true, false}) {
    Place place;
    const auto list = read_list(one_domain ? below : apart);
    const Plan plan{{Field::kSpf}, {}};
    auto results = Results::open(place.path, list, plan, 5);
    ASSERT_TRUE(results.ok());
    Told resolver;
    Quiet watcher;
    Pace pace;
    pace.per_domain = 3;
    pace.per_authority = 0;
    EXPECT_EQ(io::run(run(list, plan, pace, nullptr, resolver, *results, watcher)), End::kDone);
    EXPECT_EQ(watcher.names, 100u);
    if (one_domain)
      EXPECT_EQ(resolver.most, 3u);
    else
      EXPECT_GT(resolver.most, 30u);  // the limit is what held the others back
  }
}

TEST(SurveyRun, IsPoliteToOneAuthority) {
  std::string names;
  for (int i = 0; i < 200; ++i) names += "h" + std::to_string(i) + ".example\n";
  const auto list = read_list(names);
  const Plan plan{{Field::kSpf}, {}};
  const auto most = [&](unsigned per_authority, bool one_operator) {
    Place place;
    Told resolver;
    for (int i = 0; i < 200; ++i) {
      auto& servers = resolver.answers["h" + std::to_string(i) + ".example ns"];
      servers.code = dns::Code::kRecords;
      const std::string owner = one_operator ? "hoster" : "h" + std::to_string(i);
      servers.names = {*dns::Name::parse("ns2." + owner + ".net"), *dns::Name::parse("ns1." + owner + ".net")};
    }
    auto results = Results::open(place.path, list, plan, 5);
    Quiet watcher;
    Pace pace;
    pace.per_authority = per_authority;
    EXPECT_EQ(io::run(run(list, plan, pace, nullptr, resolver, *results, watcher)), End::kDone);
    EXPECT_EQ(watcher.names, 200u);
    EXPECT_EQ(resolver.asked, per_authority ? 400u : 200u);
    return resolver.most;
  };
  EXPECT_EQ(most(4, true), 4u);
  EXPECT_GT(most(4, false), 30u);
  EXPECT_GT(most(0, true), 30u);  // the limit is what held the others back
}

std::int64_t cpu_us() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return now.tv_sec * 1'000'000 + now.tv_nsec / 1000;
}
// The most CPU that one turn of the loop took while others wanted it.
core::Task<void> watch_loop(std::shared_ptr<bool> over, std::shared_ptr<std::int64_t> most_us) {
  for (std::int64_t last = cpu_us(); !*over; last = cpu_us()) {
    (void)co_await io::sleep_until(io::now_ms() + 1);
    *most_us = std::max(*most_us, cpu_us() - last);
  }
}
struct Ends final : Watcher {
  std::size_t names = 0;
  bool stop() override { return names >= 100; }
  void done(std::size_t, std::size_t) override { ++names; }
};
core::Task<void> run_watched(const List& list, const Plan& plan, dns::Resolver& resolver, Results& results,
                             std::shared_ptr<std::int64_t> most_us) {
  const auto over = std::make_shared<bool>(false);
  io::spawn(watch_loop(over, most_us));
  Ends watcher;
  auto running = run(list, plan, Pace{}, nullptr, resolver, results, watcher);
  (void)co_await running;
  *over = true;
}

TEST(SurveyRun, AMillionNamesOfOneDomainDoNotHoldTheLoop) {
  List list;
  for (int i = 0; i < 300'000; ++i) list.names.push_back("h" + std::to_string(i) + ".one.example");
  for (int i = 0; i < 200; ++i) list.names.push_back("h.d" + std::to_string(i) + ".example");
  list.digest = std::string(64, '0');
  const Plan plan{{Field::kSpf}, {}};
  for (const bool asked_before : {false, true}) {
    Place place;
    auto results = Results::open(place.path, list, plan, 5);
    ASSERT_TRUE(results.ok()) << results.error();
    if (asked_before)
      for (int i = 0; i < 300'000; ++i) results->facts[static_cast<std::size_t>(i)].tries = 1;
    Told resolver;
    const auto most_us = std::make_shared<std::int64_t>(0);
    io::run(run_watched(list, plan, resolver, *results, most_us));
#if defined(__SANITIZE_ADDRESS__) || !defined(NDEBUG)
    EXPECT_LT(*most_us, 30'000);
#else
    EXPECT_LT(*most_us, 5'000);
#endif
  }
}

}  // namespace
}  // namespace sekisho::survey
