#include "road/identity/signing/signing.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/core/text.h"
#include "base/dns/zone.h"

using namespace sekisho;
using namespace sekisho::signing;
using signature::KeyType;
using signature::PrivateKey;

namespace {
namespace fs = std::filesystem;

mail::Domain domain(const char* text) { return *mail::Domain::parse(text); }

class KeyFileTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/key-file-test-XXXXXX";
    root_ = ::mkdtemp(name);
  }
  void TearDown() override { fs::remove_all(root_); }
  std::string write(const std::string& octets, unsigned mode = 0600) {
    const std::string path = root_ + "/key.pem";
    std::ofstream(path, std::ios::trunc | std::ios::binary) << octets;
    ::chmod(path.c_str(), mode);
    return path;
  }
  // The error, or "" for a good key.
  std::string fault(const std::string& octets, unsigned mode = 0600) {
    const auto file = read_key_file(write(octets, mode));
    if (file) return {};
    EXPECT_TRUE(file.error().starts_with(root_ + "/key.pem: ")) << file.error();
    return file.error();
  }
  std::string root_;
  PrivateKey ed_ = PrivateKey::generate(KeyType::kEd25519);
};

TEST_F(KeyFileTest, TakesRsaAndEd25519) {
  const auto rsa = PrivateKey::generate(KeyType::kRsa, 2048);
  for (const PrivateKey* key : {&rsa, static_cast<const PrivateKey*>(&ed_)}) {
    const auto file = read_key_file(write(key->pem()));
    ASSERT_TRUE(file.ok()) << file.error();
    EXPECT_EQ(file->key.record(), key->record());
    EXPECT_TRUE(file->warnings.empty());
  }
}

TEST_F(KeyFileTest, WarnsOfShortRsaAndRefusesTooShort) {
  const auto file = read_key_file(write(PrivateKey::generate(KeyType::kRsa, 1024).pem()));
  ASSERT_TRUE(file.ok()) << file.error();
  ASSERT_EQ(file->warnings.size(), 1u);
  EXPECT_NE(file->warnings[0].find("1024 bits"), std::string::npos);
  EXPECT_NE(fault(PrivateKey::generate(KeyType::kRsa, 768).pem()).find("under 1024"), std::string::npos);
}

TEST_F(KeyFileTest, OnlyTheOwnerMayRead) {
  const std::string pem = ed_.pem();
  for (unsigned mode : {0604u, 0602u, 0601u, 0644u, 0666u, 0620u, 0660u, 0777u, 0610u})
    EXPECT_NE(fault(pem, mode), "") << std::oct << mode;
  for (unsigned mode : {0600u, 0400u}) EXPECT_EQ(fault(pem, mode), "") << std::oct << mode;
  const auto group = read_key_file(write(pem, 0640));
  ASSERT_TRUE(group.ok());
  EXPECT_EQ(group->warnings.size(), 1u);
  const auto told = read_key_file(write(pem, 0644), Openness::kTold);
  ASSERT_TRUE(told.ok());
  EXPECT_EQ(told->warnings.size(), 1u);
}

TEST_F(KeyFileTest, SaysWhatElseItIs) {
  const std::string ec =
      "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgevZzL1gdAFr88hb2\n"
      "OF/2NxApJCzGCEDdfSp6VQO30hyhRANCAAQRWz+jn65BtOMvdyHKcvjBeBSDZH2r\n1RTwjmYSi9R/"
      "zpBnuQ4EiMnCqfMPWiZqB4QdbAd0E7oH50V"
      "puZ1P087G\n-----END PRIVATE KEY-----\n";
  EXPECT_NE(fault(ec).find("neither RSA nor Ed25519"), std::string::npos);
  EXPECT_NE(fault("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n").find("public"), std::string::npos);
  EXPECT_NE(
      fault("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n").find("passphrase"),
      std::string::npos);
  EXPECT_NE(fault(core::base64(std::string(32, 'k')) + "\n").find("bare base64"), std::string::npos);
  EXPECT_NE(fault("").find("empty"), std::string::npos);
  EXPECT_NE(fault(std::string(70'000, 'A')).find("64 KiB"), std::string::npos);
  EXPECT_NE(fault(std::string(1000, '\0')), "");
}

// Cut anywhere, or with one octet changed anywhere, a key is refused or is a key that signs; it never crashes.
TEST_F(KeyFileTest, CutAndChangedKeys) {
  const std::string pem = PrivateKey::generate(KeyType::kRsa, 1024).pem();
  const std::string body_end = "-----END";
  for (std::size_t size = 0; size < pem.find(body_end); size += 7)
    EXPECT_FALSE(PrivateKey::load(std::string_view(pem).substr(0, size)).ok()) << size;
  int refused = 0;
  for (std::size_t at = 30; at < pem.find(body_end); at += 3) {
    std::string changed = pem;
    changed[at] = changed[at] == 'A' ? 'B' : 'A';
    const auto key = PrivateKey::load(changed);
    refused += !key.ok();
    if (!key) continue;
    // A damaged CRT part is made good by the rest of the key: then it must sign all the same.
    const std::string record = key->record(), digest(32, 'd');
    const auto half = signature::PublicKey::load(KeyType::kRsa, std::string_view(record).substr(record.find("p=") + 2));
    const auto octets = key->sign(signature::Hash::kSha256, digest);
    ASSERT_TRUE(half.ok() && octets) << at;
    EXPECT_TRUE((*half)->verify(signature::Hash::kSha256, digest, *octets)) << at;
  }
  EXPECT_GT(refused, 50);
}

TEST_F(KeyFileTest, NoFolderNoPipeNoGhost) {
  EXPECT_NE(read_key_file(root_).error().find("not a plain file"), std::string::npos);
  EXPECT_NE(read_key_file(root_ + "/none").error().find("No such file"), std::string::npos);
  ASSERT_EQ(::mkfifo((root_ + "/pipe").c_str(), 0600), 0);
  EXPECT_NE(read_key_file(root_ + "/pipe").error().find("not a plain file"), std::string::npos);  // and does not wait
}

TEST(KeyTable, ChoosesByAuthor) {
  KeyTable table;
  const auto add = [&](const char* name, const char* user, bool subdomains, const char* selector) {
    table.add({domain(name), user, subdomains, true, false, selector, "", PrivateKey::generate(KeyType::kEd25519), 1});
  };
  add("example.org", "", true, "r");
  add("example.org", "", true, "e");
  add("example.org", "ceo", false, "ceo");
  add("shop.example.org", "", false, "shop");
  add("example.net", "", false, "n");
  const auto chosen = [&](const char* author) {
    std::string out;
    for (const auto* key : table.select(*mail::Address::parse(author))) out += key->selector + " ";
    return out;
  };
  EXPECT_EQ(chosen("joe@example.org"), "r e ");
  EXPECT_EQ(chosen("CEO@example.org"), "ceo ");
  EXPECT_EQ(chosen("ceo@shop.example.org"), "shop ");
  EXPECT_EQ(chosen("ceo@other.example.org"), "r e ");
  EXPECT_EQ(chosen("joe@a.shop.example.org"), "r e ");
  EXPECT_EQ(chosen("joe@example.net"), "n ");
  EXPECT_EQ(chosen("joe@a.example.net"), "");
  EXPECT_EQ(chosen("joe@notexample.org"), "");
  EXPECT_EQ(chosen("joe@org"), "");
}

class PublishedTest : public testing::Test {
 protected:
  Published state(const std::vector<std::string>& texts) {
    dns::Zone zone;
    zone.add_origin("example.org");
    for (const auto& text : texts) zone.add("s._domainkey.example.org", dns::Type::kTxt, text);
    const auto resolver = dns::make_overlay(zone, nullptr);
    core::Budget budget;
    return core::run_ready(find_published(key_, *record_name("s", domain("example.org")), *resolver, budget)).state;
  }
  PrivateKey key_ = PrivateKey::generate(KeyType::kRsa, 1024);
};

TEST_F(PublishedTest, Words) {
  const std::string record = key_.record();
  EXPECT_EQ(state({record}), Published::kMatches);
  EXPECT_EQ(state({record.substr(9) + ";"}), Published::kMatches);  // no v=: it stands first or not at all
  EXPECT_EQ(state({record + "; t=y"}), Published::kMatches);
  EXPECT_EQ(state({}), Published::kMissing);
  EXPECT_EQ(state({"v=DKIM1; k=rsa; p="}), Published::kRevoked);
  EXPECT_EQ(state({PrivateKey::generate(KeyType::kRsa, 1024).record()}), Published::kDiffers);
  EXPECT_EQ(state({PrivateKey::generate(KeyType::kEd25519).record()}), Published::kDiffers);
  EXPECT_EQ(state({record, record + ";"}), Published::kDiffers);
  EXPECT_EQ(state({record + "; s=tlsrpt"}), Published::kDiffers);
  EXPECT_EQ(state({record + "; h=sha1"}), Published::kDiffers);
  EXPECT_EQ(state({record.substr(0, record.size() - 20)}), Published::kDiffers);
  EXPECT_EQ(state({"v=spf1 -all"}), Published::kDiffers);
}

TEST(RecordLine, ReadsBackAsOneText) {
  const auto name = *record_name("s.a", domain("example.org"));
  const std::string record = PrivateKey::generate(KeyType::kRsa, 2048).record();
  const auto zone = dns::Zone::parse("$ORIGIN .\n" + record_line(name, record) + "\n");
  ASSERT_TRUE(zone.ok()) << zone.error().text();
  const auto resolver = dns::make_overlay(*zone, nullptr);
  EXPECT_EQ(resolver->ready(name.name(), dns::Type::kTxt)->texts, std::vector<std::string>{record});
  EXPECT_FALSE(record_name("", domain("example.org")));
  EXPECT_FALSE(record_name(".", domain("example.org")));
  EXPECT_FALSE(record_name("a b", domain("example.org")));
}
}  // namespace
