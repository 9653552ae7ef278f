#include "service/survey/survey.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "base/dns/zone.h"
#include "base/io/io.h"
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
    EXPECT_EQ(Results::read(place.path)->facts[1], facts) << size;
  }
  for (std::size_t at = 0; at < second; ++at) {
    std::string bad = whole;
    bad[at] ^= 1;
    spill(place.path, bad);
    EXPECT_FALSE(Results::open(place.path, list, plan, 5).ok()) << at;
    EXPECT_EQ(slurp(place.path), bad);  // nothing was cut away
  }
  spill(place.path, whole);
  EXPECT_FALSE(Results::open(place.path, read_list("c.example"), plan, 5).ok());
  EXPECT_FALSE(Results::open(place.path, list, Plan{{Field::kSpf}, {"s1"}}, 5).ok());
  EXPECT_TRUE(Results::open(place.path, list, plan, 6).ok());
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

// A resolver that is slow and counts how many names of one domain are under way.
struct Slow final : dns::Resolver {
  unsigned now = 0, most = 0;
  dns::AnswerPtr ready(const dns::Name&, dns::Type) override { return nullptr; }
  core::Task<dns::AnswerPtr> lookup(dns::Name, dns::Type, core::Budget&) override {
    most = std::max(most, ++now);
    (void)co_await io::sleep_until(io::now_ms() + 2);
    --now;
    co_return std::make_shared<dns::Answer>();
  }
};

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
    Slow resolver;
    Quiet watcher;
    Pace pace;
    pace.per_domain = 3;
    EXPECT_EQ(io::run(run(list, plan, pace, nullptr, resolver, *results, watcher)), End::kDone);
    EXPECT_EQ(watcher.names, 100u);
    if (one_domain)
      EXPECT_EQ(resolver.most, 3u);
    else
      EXPECT_GT(resolver.most, 30u);  // the limit is what held the others back
  }
}

}  // namespace
}  // namespace sekisho::survey
