#include "road/identity/domainkeys/domainkeys.h"

#include <gtest/gtest.h>
#include <openssl/pem.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/core/text.h"
#include "base/dns/zone.h"

namespace sekisho::domainkeys {
namespace {

const std::string kSuite = SHARED_DIR "/conformance/dkim-domainkeys-maildkim";

std::string read(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::string new_key(unsigned bits) {
  EVP_PKEY* key = EVP_RSA_gen(bits);
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
  signature::PrivateKey key = *signature::PrivateKey::from_pem(new_key(1024));
  std::unique_ptr<dns::Resolver> resolver;
  Lab() {
    dns::Zone zone;
    zone.add_origin(".");
    const std::string record = key.record().substr(key.record().find("k=rsa"));
    add(zone, "s._domainkey.a.example", record);
    add(zone, "g._domainkey.a.example", "g=joe; " + record);
    add(zone, "e._domainkey.a.example", "g=; " + record);
    add(zone, "case._domainkey.a.example", "g=Joe; " + record);
    add(zone, "sha256._domainkey.a.example", "v=DKIM1; h=sha256; " + record);
    add(zone, "both._domainkey.a.example", "v=DKIM1; h=sha1:sha256; s=email; " + record);
    add(zone, "other._domainkey.a.example", "v=DKIM1; s=other; " + record);
    add(zone, "strict._domainkey.a.example", "v=DKIM1; t=s; " + record);
    add(zone, "t._domainkey.a.example", "t=y; " + record);
    add(zone, "r._domainkey.a.example", "k=rsa; p=");
    add(zone, "_domainkey.a.example", "o=-; r=postmaster@a.example; n=hello");
    add(zone, "_domainkey.b.example", "t=y; o=-");
    zone.add_fault("slow._domainkey.a.example", dns::Type::kTxt, dns::Code::kTimeout);
    resolver = dns::make_overlay(zone, nullptr);
  }
  static void add(dns::Zone& zone, const std::string& owner, const std::string& text) {
    dns::Name name;
    ASSERT_TRUE(name.assign(owner));
    zone.add(name, dns::Type::kTxt, text);
  }
  Evaluation verify(const std::string& octets, bool policy = false) const {
    core::Budget budget;
    const auto message = *mail::Message::parse(octets, budget);
    Options options;
    options.ask_policy = policy;
    return core::run_ready(domainkeys::verify(*message, *resolver, options, budget));
  }
  std::string sign(const std::string& octets, const std::string& selector, Canon canon = Canon::kNofws,
                   std::vector<std::string> headers = {}) const {
    core::Budget budget;
    const auto message = *mail::Message::parse(octets, budget);
    const auto field =
        domainkeys::sign(*message, key, {*mail::Domain::parse("a.example"), selector, canon, std::move(headers)});
    return field ? *field + octets : "";
  }
};

const Lab& lab() {
  static const Lab one;
  return one;
}
std::string word(const Evaluation& e) { return std::string(road::word(e.result)); }
std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const auto at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

const std::string kMail = "From: Joe <joe@a.example>\r\nSubject: a\r\n  b\r\n\r\n Hello  you\r\n\r\nbye\r\n\r\n\r\n";

TEST(DomainKeys, SignsAndVerifies) {
  for (const Canon canon : {Canon::kSimple, Canon::kNofws}) {
    const std::string mail = lab().sign(kMail, "s", canon);
    EXPECT_EQ(word(lab().verify(mail)), "pass");
    EXPECT_EQ(word(lab().verify("Received: later\r\n" + mail)), "pass");
    EXPECT_EQ(word(lab().verify(replaced(mail, "bye", "bie"))), "fail");
    EXPECT_EQ(word(lab().verify(replaced(mail, "Subject: a", "Subject: c"))), "fail");
    // Empty lines at the end do not count; white space elsewhere only with nofws.
    EXPECT_EQ(word(lab().verify(mail + "\r\n\r\n")), "pass");
    EXPECT_EQ(word(lab().verify(replaced(mail, "Hello  you", "Hello you"))), canon == Canon::kNofws ? "pass" : "fail");
    EXPECT_EQ(word(lab().verify(replaced(mail, "a\r\n  b", "a b"))), canon == Canon::kNofws ? "pass" : "fail");
  }
  for (const char* body : {"", "\r\n", "\r\n\r\n"})
    EXPECT_EQ(word(lab().verify(lab().sign("From: joe@a.example\r\n\r\n", "s") + body)), "pass");
}

TEST(DomainKeys, TheKeyDecidesWhoMaySign) {
  EXPECT_EQ(word(lab().verify(lab().sign(kMail, "g"))), "pass");
  EXPECT_EQ(word(lab().verify(lab().sign(replaced(kMail, "joe@", "bob@"), "g"))), "permerror");
  EXPECT_EQ(word(lab().verify(lab().sign(replaced(kMail, "joe@", "bob@"), "e"))), "pass");
  EXPECT_EQ(word(lab().verify(lab().sign(kMail, "case"))), "permerror");  // g= is matched exactly
  EXPECT_EQ(word(lab().verify(lab().sign(replaced(kMail, "joe@", "Joe@"), "case"))), "pass");
  EXPECT_EQ(word(lab().verify(lab().sign(kMail, "r"))), "permerror");
  EXPECT_EQ(word(lab().verify(lab().sign(kMail, "nokey"))), "permerror");
  EXPECT_EQ(word(lab().verify(lab().sign(kMail, "slow"))), "temperror");
  EXPECT_TRUE(lab().verify(lab().sign(kMail, "t")).signatures.at(0).testing);
  EXPECT_EQ(lab().sign(replaced(kMail, "a.example", "b.example"), "s"), "");
}

// A key that serves DKIM, too: what its owner forbids there is forbidden here.
TEST(DomainKeys, KeepsTheLimitsOfAKeyOfDkim) {
  EXPECT_EQ(word(lab().verify(lab().sign(kMail, "both"))), "pass");
  EXPECT_EQ(word(lab().verify(lab().sign(kMail, "sha256"))), "permerror");
  EXPECT_EQ(word(lab().verify(lab().sign(kMail, "other"))), "permerror");
  EXPECT_EQ(word(lab().verify(lab().sign(kMail, "strict"))), "pass");
  const std::string below = replaced(kMail, "@a.example", "@sub.a.example");
  EXPECT_EQ(word(lab().verify(lab().sign(below, "both"))), "pass");
  EXPECT_EQ(word(lab().verify(lab().sign(below, "strict"))), "permerror");
}

// Section 3.2.1: Sender before From, and it must be signed.
TEST(DomainKeys, SpeaksForTheSendingAddress) {
  const std::string mail = lab().sign("Sender: joe@sub.a.example\r\n" + replaced(kMail, "a.example", "b.example"), "s");
  const auto e = lab().verify(mail);
  EXPECT_EQ(word(e), "pass");
  EXPECT_EQ(e.header, "Sender");
  EXPECT_EQ(e.sending_address->text(), "joe@sub.a.example");
  const std::string plain = lab().sign(kMail, "s", Canon::kNofws, {"from", "subject"});
  EXPECT_EQ(word(lab().verify(plain)), "pass");
  EXPECT_EQ(word(lab().verify("Sender: x@bank.example\r\n" + plain)), "permerror");
  EXPECT_EQ(word(lab().verify("From: x@bank.example\r\n" + plain)), "permerror");
  EXPECT_EQ(word(lab().verify(replaced(plain, "Subject:", "Sender: x@bank.example\r\nSubject:"))), "permerror");
}

TEST(DomainKeys, ManyAndMalformedSignatures) {
  const std::string good = lab().sign(kMail, "s");
  const auto two = lab().verify("DomainKey-Signature: a=rsa-sha1; d=a.example\r\n" + good);
  EXPECT_EQ(word(two), "pass");
  ASSERT_EQ(two.signatures.size(), 2u);
  EXPECT_EQ(road::word(two.signatures[0].result), "permerror");
  std::string many = good;
  for (int i = 0; i < 50; ++i) many = "DomainKey-Signature: b=x\r\n" + many;
  EXPECT_EQ(lab().verify(many).signatures.size(), Options{}.max_signatures);
  for (const char* change : {"a=rsa-sha256;", "a=;", "a=rsa-sha1; a=rsa-sha1;"})
    EXPECT_EQ(word(lab().verify(replaced(good, "a=rsa-sha1;", change))), "permerror") << change;
  EXPECT_EQ(word(lab().verify(replaced(good, "q=dns;", ""))), "pass");
  for (const char* change : {"q=http;", "q=;"})
    EXPECT_EQ(word(lab().verify(replaced(good, "q=dns;", change))), "permerror") << change;
}

TEST(DomainKeys, ReadsThePolicy) {
  const auto all = lab().verify(kMail, true);
  EXPECT_EQ(word(all), "none");
  ASSERT_TRUE(all.policy);
  EXPECT_TRUE(all.policy->signs_all);
  EXPECT_EQ(all.policy->contact, "postmaster@a.example");
  ASSERT_EQ(all.findings.size(), 1u);
  EXPECT_EQ(all.findings[0].code, "domainkeys_unsigned");
  EXPECT_TRUE(lab().verify(replaced(kMail, "a.example", "b.example"), true).findings.empty());  // t=y
  EXPECT_FALSE(lab().verify(replaced(kMail, "a.example", "c.example"), true).policy);
  EXPECT_FALSE(lab().verify(lab().sign(kMail, "s"), true).policy);
}

// The DomainKeys messages of the Mail::DKIM corpus, in legacy mode.
TEST(Conformance, MailDkimCorpus) {
  if (!std::filesystem::exists(kSuite)) GTEST_SKIP() << "the suite is not here: " << kSuite;
  const std::string json = read(kSuite + "/expected.json");
  dns::Zone zone;
  std::istringstream lines(read(kSuite + "/FAKE_DNS.dat"));
  for (std::string line; std::getline(lines, line);) {
    const auto space = line.find_first_of(" \t");
    if (line.empty() || line[0] == '#' || space == std::string::npos) continue;
    const std::string name = line.substr(0, space), value(core::trim_fws(line.substr(space)));
    zone.add_origin(name.substr(name.find("_domainkey.") + 11));
    if (value != "NXDOMAIN" && !value.starts_with("~~")) zone.add(name, dns::Type::kTxt, value);
  }
  const auto resolver = dns::make_overlay(zone, nullptr);
  int right = 0, count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(kSuite + "/corpus")) {
    const std::string file = entry.path().filename();
    if (file.find("dk_") == std::string::npos) continue;
    const auto at = json.find("\"expect\"", json.find("\"" + file + "\""));
    const auto start = json.find('"', json.find(':', at)) + 1;
    // good_dk_2 and bad_dk_3 both lack q=; their own suite skips the second one (docs/differences.md).
    const bool pass = json.substr(start, 4) == "pass" || file == "bad_dk_3.txt";
    core::Budget budget;
    const auto message = mail::Message::from_file(read(entry.path()), budget);
    ASSERT_TRUE(message) << file;
    Options options;
    options.legacy = true;
    const auto e = core::run_ready(verify(**message, *resolver, options, budget));
    ++count;
    right += (e.result == road::AuthResult::kPass) == pass;
    EXPECT_EQ(e.result == road::AuthResult::kPass, pass) << file << ": " << word(e) << ", " << e.reason;
  }
  std::printf("Mail::DKIM corpus, DomainKeys messages: %d of %d as expected\n", right, count);
  EXPECT_EQ(count, 9);
}

}  // namespace
}  // namespace sekisho::domainkeys
