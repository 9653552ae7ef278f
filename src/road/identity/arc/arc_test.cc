// The chain rules on chains that we seal ourselves; the public suite runs in tests/conformance.
#include "road/identity/arc/arc.h"

#include <gtest/gtest.h>
#include <openssl/pem.h>

#include "base/core/text.h"
#include "base/dns/zone.h"

namespace sekisho::arc {
namespace {

std::string new_key() {
  EVP_PKEY* key = EVP_RSA_gen(1024);
  BIO* bio = BIO_new(BIO_s_mem());
  PEM_write_bio_PrivateKey(bio, key, nullptr, nullptr, 0, nullptr, nullptr);
  char* text = nullptr;
  const auto size = BIO_get_mem_data(bio, &text);
  std::string pem(text, static_cast<std::size_t>(size));
  BIO_free(bio);
  EVP_PKEY_free(key);
  return pem;
}

struct Lab {
  signature::PrivateKey key = *signature::PrivateKey::from_pem(new_key());
  std::unique_ptr<dns::Resolver> resolver;

  Lab() {
    dns::Zone zone;
    zone.add_origin(".");
    for (const char* domain : {"a.example", "b.example"}) {
      dns::Name name;
      name.assign(std::string("s._domainkey.") + domain);
      zone.add(name, dns::Type::kTxt, key.record());
    }
    zone.add_fault("s._domainkey.slow.example", dns::Type::kTxt, dns::Code::kTimeout);
    resolver = dns::make_overlay(zone, nullptr);
  }

  Evaluation verify(const std::string& octets, const Options& options = {}) const {
    core::Budget budget;
    const auto message = *mail::Message::parse(octets, budget);
    return core::run_ready(arc::verify(*message, *resolver, options, budget));
  }

  std::string sealed(const std::string& octets, const std::string& domain, const std::string& dmarc = "pass") const {
    core::Budget budget;
    const auto message = *mail::Message::parse(octets, budget);
    const auto chain = core::run_ready(arc::verify(*message, *resolver, {}, budget));
    authres::Header results;
    results.authserv_id = "mx." + domain;
    results.results.push_back({"dmarc", dmarc, "", {{"header", "from", "author.example"}}});
    SealOptions options{*mail::Domain::parse(domain), "s", {}, 12345};
    const auto fields = seal(*message, chain, results, key, options);
    EXPECT_TRUE(fields.ok());
    return fields ? *fields + octets : octets;
  }
};

const Lab& lab() {
  static const Lab one;
  return one;
}

const std::string kMail = "From: x@author.example\r\nSubject: s\r\nDate: d\r\n\r\nHello\r\n";

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const auto at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

TEST(Arc, AChainOfThreePasses) {
  std::string mail = kMail;
  EXPECT_EQ(lab().verify(mail).result, road::AuthResult::kNone);
  for (int i = 0; i < 3; ++i) mail = lab().sealed(mail, i % 2 ? "b.example" : "a.example");
  const auto e = lab().verify(mail);
  EXPECT_EQ(e.result, road::AuthResult::kPass) << e.reason;
  EXPECT_EQ(e.instance, 3u);
  ASSERT_EQ(e.sets.size(), 3u);
  EXPECT_EQ(e.sets[1].sealer, "b.example");
  EXPECT_NE(mail.find("cv=pass"), std::string::npos);
}

TEST(Arc, AnyChangeBreaksIt) {
  const std::string one = lab().sealed(kMail, "a.example");
  const std::string two = lab().sealed(one, "b.example");
  EXPECT_EQ(lab().verify(replaced(two, "Hello", "Hallo")).result, road::AuthResult::kFail);
  EXPECT_EQ(lab().verify(replaced(two, "Subject: s", "Subject: t")).result, road::AuthResult::kFail);
  // The oldest results, covered by both seals.
  const auto at = two.rfind("dmarc=pass");
  EXPECT_EQ(lab().verify(std::string(two).replace(at, 10, "dmarc=fail")).result, road::AuthResult::kFail);
  // A field that no set covers may change.
  EXPECT_EQ(lab().verify("X-Later: y\r\n" + two).result, road::AuthResult::kPass);
}

TEST(Arc, WhatWeChangedSinceItCameIsNotHeldAgainstIt) {
  Options options;
  options.changed_since = true;
  const std::string two = lab().sealed(lab().sealed(kMail, "a.example"), "b.example");
  const std::string changed = replaced(two, "Hello", "Hello\r\n-- footer");
  EXPECT_EQ(lab().verify(changed).result, road::AuthResult::kFail);
  EXPECT_EQ(lab().verify(changed, options).result, road::AuthResult::kPass);
  const auto at = two.rfind("dmarc=pass");  // a seal is held against it all the same
  EXPECT_EQ(lab().verify(std::string(two).replace(at, 10, "dmarc=fail"), options).result, road::AuthResult::kFail);
  const std::string closed = lab().sealed(replaced(lab().sealed(kMail, "a.example"), "Hello", "Hallo"), "b.example");
  EXPECT_EQ(lab().verify(closed, options).result, road::AuthResult::kFail);
}

TEST(Arc, ABrokenChainIsClosedAndStaysClosed) {
  const std::string broken = replaced(lab().sealed(kMail, "a.example"), "Hello", "Hallo");
  const std::string closed = lab().sealed(broken, "b.example");
  EXPECT_NE(closed.find("cv=fail"), std::string::npos);
  const auto e = lab().verify(closed);
  EXPECT_EQ(e.result, road::AuthResult::kFail);
  EXPECT_FALSE(e.sealable);
  core::Budget budget;
  const auto message = *mail::Message::parse(closed, budget);
  authres::Header results;
  results.authserv_id = "mx";
  const auto again = seal(*message, e, results, lab().key, {*mail::Domain::parse("a.example"), "s", {}, {}});
  ASSERT_FALSE(again.ok());
  EXPECT_EQ(again.error(), SealError::kClosed);
}

TEST(Arc, StructureIsStrict) {
  const std::string one = lab().sealed(kMail, "a.example");
  const auto aar = one.substr(one.find("ARC-Authentication-Results"));
  const std::string aar_field = aar.substr(0, aar.find("From:"));
  EXPECT_EQ(lab().verify(aar_field + one).result, road::AuthResult::kFail);    // twice
  EXPECT_EQ(lab().verify(aar_field + kMail).result, road::AuthResult::kFail);  // alone
  for (const char* i : {"i=0;", "i=01;", "i=51;", "i=-1;", "i=99999999999;", "i=;", ";", "x=1; i=1;"})
    EXPECT_EQ(lab().verify(replaced(one, "Results: i=1;", std::string("Results: ") + i)).result,
              road::AuthResult::kFail)
        << i;
  std::string many = kMail;
  for (int i = 0; i < 51; ++i) many = "ARC-Seal: i=1\r\n" + many;
  EXPECT_EQ(lab().verify(many).result, road::AuthResult::kFail);
}

TEST(Arc, ADnsFaultIsTemporary) {
  const std::string mail = replaced(lab().sealed(kMail, "a.example"), "d=a.example", "d=slow.example");
  EXPECT_EQ(lab().verify(mail).result, road::AuthResult::kTempError);
}

TEST(Arc, OnlyTrustedSealersVouch) {
  core::Budget budget;
  const auto author = *mail::Domain::parse("author.example");
  const auto a = *mail::Domain::parse("a.example"), b = *mail::Domain::parse("b.example");
  const std::string mail = lab().sealed(lab().sealed(kMail, "a.example", "pass"), "b.example", "fail");
  const auto chain = lab().verify(mail);
  ASSERT_EQ(chain.result, road::AuthResult::kPass);
  EXPECT_EQ(vouching_set(chain, author, {}, budget), nullptr);
  EXPECT_EQ(vouching_set(chain, author, {{a, ""}}, budget), nullptr);  // b could have written anything
  EXPECT_EQ(vouching_set(chain, author, {{b, ""}}, budget), nullptr);  // b itself saw a failure
  const Set* set = vouching_set(chain, author, {{a, ""}, {b, ""}}, budget);
  ASSERT_NE(set, nullptr);
  EXPECT_EQ(set->instance, 1u);
  EXPECT_EQ(vouching_set(chain, *mail::Domain::parse("bank.example"), {{a, ""}, {b, ""}}, budget), nullptr);
}

}  // namespace
}  // namespace sekisho::arc
