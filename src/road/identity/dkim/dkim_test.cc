#include "road/identity/dkim/dkim.h"

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "base/core/text.h"
#include "base/dns/zone.h"

namespace sekisho::dkim {
namespace {
using road::AuthResult;
using signature::Canon;
using signature::PrivateKey;

constexpr std::int64_t kNow = 1'768'435'200;
const std::string kMail =
    "From: Sender <sender@sender.example>\r\nTo: user@dest.example\r\nSubject: a  test\r\n of  folds\r\n"
    "Date: Thu, 15 Jan 2026 00:00:00 +0000\r\n\r\nHello \t there\r\n\r\n bye \r\n\r\n";

std::string make_pem(int bits) {
  EVP_PKEY* key = bits ? EVP_RSA_gen(static_cast<unsigned>(bits)) : EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519");
  BIO* out = BIO_new(BIO_s_mem());
  PEM_write_bio_PrivateKey(out, key, nullptr, nullptr, 0, nullptr, nullptr);
  char* text = nullptr;
  const long size = BIO_get_mem_data(out, &text);
  std::string pem(text, static_cast<std::size_t>(size));
  BIO_free(out);
  EVP_PKEY_free(key);
  return pem;
}

const PrivateKey& rsa() {
  static const PrivateKey key = *PrivateKey::from_pem(make_pem(2048));
  return key;
}
const PrivateKey& ed25519() {
  static const PrivateKey key = *PrivateKey::from_pem(make_pem(0));
  return key;
}

std::shared_ptr<const mail::Message> message(const std::string& octets) {
  core::Budget budget;
  auto parsed = mail::Message::parse(octets, budget);
  EXPECT_TRUE(parsed);
  return *parsed;
}

SignOptions by(std::string_view domain, std::string selector = "s1") {
  SignOptions options{*mail::Domain::parse(domain), std::move(selector)};
  options.now_s = kNow;
  return options;
}

std::string signed_mail(const PrivateKey& key, const SignOptions& options, const std::string& mail = kMail) {
  const auto field = sign(*message(mail), key, options);
  EXPECT_TRUE(field);
  return *field + mail;
}

struct Outcome {
  std::vector<Verification> all;
  road::Findings findings;
  core::Budget left;
  bool has(std::string_view code) const {
    return std::any_of(findings.begin(), findings.end(), [&](const auto& f) { return f.code == code; });
  }
  AuthResult result() const { return all.empty() ? AuthResult::kNone : all[0].result; }
  std::string reason() const { return all.empty() ? "" : all[0].reason; }
};

Outcome check(const std::string& octets, const dns::Zone& zone, Options options = {}, core::Budget budget = {}) {
  if (!options.now_s) options.now_s = kNow;
  auto resolver = dns::make_overlay(zone, nullptr);
  const auto mail = message(octets);
  Outcome out;
  out.left = budget;
  out.all = core::run_ready(verify(*mail, *resolver, options, out.left, out.findings));
  return out;
}

dns::Zone zone_of(const PrivateKey& key, std::string_view name = "s1._domainkey.sender.example") {
  dns::Zone zone;
  zone.add_origin("example");
  zone.add(name, dns::Type::kTxt, key.record());
  return zone;
}

dns::Zone zone_with(std::string_view tags, const PrivateKey& key = rsa()) {
  dns::Zone zone;
  zone.add_origin("example");
  zone.add("s1._domainkey.sender.example", dns::Type::kTxt, key.record().insert(8, std::string(tags)));
  return zone;
}

TEST(Dkim, SignedMailPassesInEveryForm) {
  for (const auto* key : {&rsa(), &ed25519()})
    for (Canon header : {Canon::kSimple, Canon::kRelaxed})
      for (Canon body : {Canon::kSimple, Canon::kRelaxed}) {
        auto options = by("sender.example");
        options.header_canon = header;
        options.body_canon = body;
        const auto out = check(signed_mail(*key, options), zone_of(*key));
        ASSERT_EQ(out.result(), AuthResult::kPass) << out.reason();
        EXPECT_EQ(out.all[0].signing_domain, "sender.example");
        EXPECT_EQ(out.all[0].selector, "s1");
        EXPECT_EQ(out.all[0].agent_id, "@sender.example");
        EXPECT_EQ(out.all[0].key_bits, key->bits());
        EXPECT_EQ(out.all[0].signature_head.size(), 8u);
        EXPECT_TRUE(out.findings.empty());
      }
}

TEST(Dkim, LinesOfASignatureAreShort) {
  const auto field = *sign(*message(kMail), rsa(), by("sender.example"));
  for (std::size_t at = 0, end; at < field.size(); at = end + 2) {
    end = field.find("\r\n", at);
    EXPECT_LE(end - at, 78u);
  }
}

TEST(Dkim, OneChangedOctetFails) {
  const std::string good = signed_mail(rsa(), by("sender.example"));
  for (std::string_view place : {"Hello", "bye", "sender@", "user@", "test", "2026"}) {
    std::string bad = good;
    bad[bad.rfind(place)] ^= 1;
    const auto out = check(bad, zone_of(rsa()));
    EXPECT_EQ(out.result(), AuthResult::kFail) << place;
    EXPECT_TRUE(out.has("dkim_fail"));
  }
  // Oversigned fields cannot be added.
  EXPECT_EQ(check("Subject: another\r\n" + good, zone_of(rsa())).result(), AuthResult::kFail);
  EXPECT_EQ(check("X-Other: field\r\n" + good, zone_of(rsa())).result(), AuthResult::kPass);
}

TEST(Dkim, WithoutSignatureThereIsNothing) { EXPECT_TRUE(check(kMail, zone_of(rsa())).all.empty()); }

TEST(Dkim, BodyLimit) {
  auto options = by("sender.example");
  options.body_limit = 5;
  const auto out = check(signed_mail(rsa(), options), zone_of(rsa()));
  EXPECT_EQ(out.result(), AuthResult::kPolicy);
  EXPECT_TRUE(out.has("dkim_l_partial"));
  options.body_limit = std::string("Hello there\r\n\r\n bye\r\n").size();
  const std::string whole = signed_mail(rsa(), options);
  EXPECT_EQ(check(whole, zone_of(rsa())).result(), AuthResult::kPass);
  EXPECT_EQ(check(whole.substr(0, whole.find(" bye")), zone_of(rsa())).result(), AuthResult::kPermError);
  EXPECT_EQ(check(whole + "more\r\n", zone_of(rsa())).result(), AuthResult::kPolicy);
}

TEST(Dkim, Times) {
  auto options = by("sender.example");
  options.expires_s = kNow + 100;
  const std::string mail = signed_mail(rsa(), options);
  Options at;
  at.now_s = kNow + 500;
  EXPECT_EQ(check(mail, zone_of(rsa()), at).result(), AuthResult::kPolicy);
  EXPECT_TRUE(check(mail, zone_of(rsa()), at).has("dkim_expired"));
  at.now_s = kNow + 200;  // clocks differ
  EXPECT_EQ(check(mail, zone_of(rsa()), at).result(), AuthResult::kPass);
  at.now_s = kNow - 240;
  EXPECT_EQ(check(mail, zone_of(rsa()), at).result(), AuthResult::kPass);
  at.now_s = kNow - 3600;
  EXPECT_EQ(check(mail, zone_of(rsa()), at).result(), AuthResult::kPolicy);
  at.now_s = kNow + 90;
  at.max_age_s = 60;
  EXPECT_EQ(check(mail, zone_of(rsa()), at).result(), AuthResult::kPolicy);
}

TEST(Dkim, KeyTags) {
  const std::string mail = signed_mail(rsa(), by("sender.example"));
  EXPECT_EQ(check(mail, zone_with(" s=other;")).result(), AuthResult::kPermError);
  EXPECT_EQ(check(mail, zone_with(" h=sha1;")).result(), AuthResult::kPermError);
  EXPECT_EQ(check(mail, zone_with(" h=sha1:sha256; s=*;")).result(), AuthResult::kPass);
  EXPECT_EQ(check(mail, zone_with(" g=nobody;")).result(), AuthResult::kPass);
  EXPECT_EQ(check(mail, zone_with(" x=1; x=2;")).result(), AuthResult::kPermError);
  EXPECT_EQ(check(mail, zone_of(ed25519())).result(), AuthResult::kPermError);
  EXPECT_EQ(check(mail, dns::Zone()).result(), AuthResult::kTempError);  // nobody answers
  auto options = by("sender.example");
  options.agent_id = "a=b;c@sub.sender.example";
  const std::string sub = signed_mail(rsa(), options);
  EXPECT_EQ(check(sub, zone_of(rsa())).all[0].agent_id, "a=b;c@sub.sender.example");
  EXPECT_EQ(check(sub, zone_of(rsa())).result(), AuthResult::kPass);
  EXPECT_EQ(check(sub, zone_with(" t=s;")).result(), AuthResult::kPermError);
}

TEST(Dkim, TestingKey) {
  std::string mail = signed_mail(rsa(), by("sender.example"));
  EXPECT_TRUE(check(mail, zone_with(" t=y;")).all[0].testing);
  EXPECT_EQ(check(mail, zone_with(" t=y;")).result(), AuthResult::kPass);
  mail[mail.rfind("bye")] ^= 1;
  const auto out = check(mail, zone_with(" t=y;"));
  EXPECT_EQ(out.result(), AuthResult::kFail);
  EXPECT_TRUE(out.has("dkim_testing"));
  EXPECT_FALSE(out.has("dkim_fail"));
}

TEST(Dkim, AnyOfSeveralKeys) {
  const std::string mail = signed_mail(rsa(), by("sender.example"));
  dns::Zone zone;
  for (std::string text : {std::string("v=spf1 -all"), PrivateKey::from_pem(make_pem(1024))->record(), rsa().record()})
    zone.add("s1._domainkey.sender.example", dns::Type::kTxt, text);
  EXPECT_EQ(check(mail, zone).result(), AuthResult::kPass);
}

TEST(Dkim, DnsFaults) {
  const std::string mail = signed_mail(rsa(), by("sender.example"));
  for (auto code : {dns::Code::kServFail, dns::Code::kTimeout}) {
    dns::Zone zone;
    zone.add_fault("s1._domainkey.sender.example", code);
    EXPECT_EQ(check(mail, zone).result(), AuthResult::kTempError);
  }
  dns::Zone zone;
  zone.add_origin("example");
  EXPECT_EQ(check(mail, zone).result(), AuthResult::kPermError);
}

TEST(Dkim, WeakKeysAndHashesNeedLegacy) {
  const PrivateKey small = *PrivateKey::from_pem(make_pem(1024));
  auto options = by("sender.example");
  options.hash = signature::Hash::kSha1;
  Options legacy;
  legacy.legacy = true;
  const std::string mail = signed_mail(small, options);
  EXPECT_EQ(check(mail, zone_of(small)).result(), AuthResult::kPolicy);
  EXPECT_EQ(check(mail, zone_of(small), legacy).result(), AuthResult::kPass);
  EXPECT_EQ(check(signed_mail(small, by("sender.example")), zone_of(small)).result(), AuthResult::kPass);
  EXPECT_FALSE(PrivateKey::from_pem(make_pem(768)));
}

TEST(Dkim, ManySignaturesCostNoMoreThanTheLimit) {
  std::string mail;
  for (int i = 0; i < 60; ++i) mail += *sign(*message(kMail), ed25519(), by("sender.example", "k" + std::to_string(i)));
  mail += kMail;
  dns::Zone zone;
  zone.add_origin("example");
  const core::Budget full;
  const auto out = check(mail, zone);
  EXPECT_EQ(out.all.size(), 60u);
  EXPECT_TRUE(out.has("dkim_too_many_signatures"));
  EXPECT_EQ(out.all[0].result, AuthResult::kPermError);
  EXPECT_EQ(out.all[59].result, AuthResult::kPolicy);
  EXPECT_LE(full.dns_queries - out.left.dns_queries, 10u);
}

TEST(Dkim, EmptyBudgetIsTooComplex) {
  const std::string mail = signed_mail(rsa(), by("sender.example"));
  for (std::uint64_t steps = 0; steps < 60'000; steps += 97) {
    core::Budget poor;
    poor.steps = steps;
    const auto result = check(mail, zone_of(rsa()), {}, poor).result();
    EXPECT_TRUE(result == AuthResult::kPolicy || result == AuthResult::kPass || result == AuthResult::kPermError);
  }
  core::Budget mute;
  mute.dns_queries = 0;
  dns::Zone zone;
  zone.add_fault("s1._domainkey.sender.example", dns::Code::kNotAllowed);
  EXPECT_EQ(check(mail, zone, {}, mute).result(), AuthResult::kPolicy);
}

TEST(Dkim, NothingOddReachesTheDns) {
  const std::string good = signed_mail(rsa(), by("sender.example"));
  const auto with = [&](std::string_view from, std::string_view to) {
    std::string mail = good;
    return mail.replace(mail.find(from), from.size(), to);
  };
  for (const auto& mail :
       {with("s=s1;", std::string("s=s1\0x;", 7)), with("s=s1;", "s=s1.;"), with("s=s1;", "s=a b;"),
        with("s=s1;", "s=" + std::string(64, 'a') + ";"), with("d=sender.example", "d=bank.example'a.b"),
        with("d=sender.example", "d=bank.example(.b"), with("d=sender.example", "d=[192.0.2.1]"),
        with("d=sender.example", "d=sender.example."), with("d=sender.example", "d=example"),
        with("d=sender.example", "d="), with("v=1", "v=2"), with("v=1", "v=1; v=1"), with("h=from:from", "h=xrom:xrom"),
        with("h=from", "h=from::"), with("bh=", "bh=AAAA"), with("b=", "b=*")}) {
    const auto out = check(mail, zone_of(rsa()));
    EXPECT_EQ(out.result(), AuthResult::kPermError) << out.reason();
    EXPECT_EQ(out.left.dns_queries, core::Budget().dns_queries) << out.reason();
    for (char c : out.reason()) EXPECT_TRUE(c >= 0x20 && c < 0x7f);
  }
}

TEST(Dkim, PublicSuffixAndUncoveredFromAreFindings) {
  Options options;
  options.is_public_suffix = [](const mail::Domain& domain) { return domain.text() == "co.example"; };
  dns::Zone zone;
  zone.add("s1._domainkey.co.example", dns::Type::kTxt, rsa().record());
  EXPECT_TRUE(check(signed_mail(rsa(), by("co.example")), zone, options).has("dkim_d_public_suffix"));
  EXPECT_FALSE(check(signed_mail(rsa(), by("sender.example")), zone, options).has("dkim_d_public_suffix"));
  auto bare = by("sender.example");
  bare.headers = {"From", "To"};
  const auto out = check("From: other@bank.example\r\n" + signed_mail(rsa(), bare), zone_of(rsa()));
  EXPECT_EQ(out.result(), AuthResult::kPass);
  EXPECT_TRUE(out.has("dkim_from_unsigned"));
}

TEST(Dkim, ALargeMailIsNotTooComplex) {
  std::string mail = kMail;
  while (mail.size() < (40u << 20)) mail += std::string(76, 'x') + "\r\n";
  EXPECT_EQ(check(signed_mail(rsa(), by("sender.example"), mail), zone_of(rsa())).result(), AuthResult::kPass);
}

// Simple form covers every octet: none may change without the signature failing.
TEST(Dkim, NoOctetOfASimpleSignatureMayChange) {
  auto options = by("sender.example");
  options.header_canon = options.body_canon = Canon::kSimple;
  const std::string good = signed_mail(rsa(), options);
  const auto value = good.find("b=", good.find("bh=") + 3);
  const auto zone = zone_of(rsa());
  int changed = 0;
  for (std::size_t at = 0; at < good.size(); ++at) {
    if (at > value + 2 && at < good.find("From:")) continue;  // folds and spare bits of base64 change nothing
    for (int bit : {1, 32}) {
      std::string bad = good;
      bad[at] = static_cast<char>(bad[at] ^ bit);
      core::Budget budget;
      if (!mail::Message::parse(bad, budget)) continue;
      EXPECT_NE(check(bad, zone).result(), AuthResult::kPass) << at << " of " << core::printable(bad.substr(at, 20));
      ++changed;
    }
  }
  EXPECT_GT(changed, 700);
}

// RFC 8616 section 5: U-labels in d= and s= are looked up as A-labels.
TEST(Dkim, InternationalDomain) {
  std::string mail = signed_mail(rsa(), by("xn--wgv71a.example", "xn--wgv71a"));
  dns::Zone zone;
  zone.add("xn--wgv71a._domainkey.xn--wgv71a.example", dns::Type::kTxt, rsa().record());
  EXPECT_EQ(check(mail, zone).result(), AuthResult::kPass);
  for (std::string_view tag : {"d=", "s="}) {
    const auto at = mail.find(std::string(tag) + "xn--wgv71a");
    mail.replace(at + 2, 10, "\xe6\x97\xa5\xe6\x9c\xac");
  }
  const auto out = check(mail, zone);
  EXPECT_EQ(out.result(), AuthResult::kFail) << out.reason();  // the key is found, the field was changed
  EXPECT_EQ(out.all[0].signing_domain, "xn--wgv71a.example");
  EXPECT_EQ(out.all[0].selector, "xn--wgv71a");
}

TEST(Dkim, HeadsTellSignaturesApart) {
  const std::string one = *sign(*message(kMail), ed25519(), by("sender.example"));
  std::string two = one;
  const auto at = two.rfind("b=") + 2 + 20;
  two[at] = two[at] == 'A' ? 'B' : 'A';
  const auto out = check(one + two + kMail, zone_of(ed25519()));
  ASSERT_EQ(out.all.size(), 2u);
  EXPECT_NE(out.all[0].signature_head, out.all[1].signature_head);
  EXPECT_EQ(out.all[0].result, AuthResult::kPass);
}

}  // namespace
}  // namespace sekisho::dkim
