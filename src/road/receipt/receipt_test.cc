#include "road/receipt/receipt.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

namespace sekisho::receipt {
namespace {

constexpr std::int64_t kNow = 1'800'000'000, kDay = 24 * 3600;

class Receipts : public testing::Test {
 protected:
  Receipts() {
    std::string pattern = testing::TempDir() + "receiptXXXXXX";
    folder_ = mkdtemp(pattern.data());
    file_ = folder_ + "/receipt.keys";
  }
  ~Receipts() override { std::filesystem::remove_all(folder_); }

  std::unique_ptr<KeyRing> ring(std::int64_t now_s = kNow, Settings settings = {}) {
    auto opened = KeyRing::open(file_, settings, random_, now_s);
    EXPECT_TRUE(opened.ok());
    return opened ? std::move(*opened) : nullptr;
  }

  core::SeededRandom random_{7};
  std::string folder_, file_;
  const Statement statement_{kNow + 5, 2, 4, reason_id("dmarc_fail")};
  const Sender sender_{*core::IpAddress::parse("192.0.2.66"), "attacker.example"};
};

TEST_F(Receipts, OpenWhatWasSealed) {
  const auto keys = ring();
  const auto code = keys->seal(statement_, sender_);
  EXPECT_EQ(code.size(), kCodeSize);
  const auto opened = keys->open(code);
  ASSERT_TRUE(opened.ok());
  EXPECT_EQ(opened->statement, statement_);
}

TEST_F(Receipts, OnlyTheOwnSenderMatches) {
  const auto keys = ring();
  const auto opened = keys->open(keys->seal(statement_, sender_));
  ASSERT_TRUE(opened.ok());
  EXPECT_TRUE(keys->belongs_to(*opened, sender_));
  EXPECT_TRUE(keys->belongs_to(*opened, {*core::IpAddress::parse("192.0.2.1"), "Attacker.Example"}));  // same network
  EXPECT_FALSE(keys->belongs_to(*opened, {*core::IpAddress::parse("192.0.3.66"), "attacker.example"}));
  EXPECT_FALSE(keys->belongs_to(*opened, {*core::IpAddress::parse("192.0.2.66"), "other.example"}));
  EXPECT_FALSE(keys->belongs_to(*opened, {*core::IpAddress::parse("2001:db8::1"), "attacker.example"}));
}

TEST_F(Receipts, PeopleMayCopyThemLoosely) {
  const auto keys = ring();
  auto code = keys->seal(statement_, sender_);
  std::string loose = " ";
  for (std::size_t i = 0; i < code.size(); ++i) {
    if (i % 8 == 0) loose += "- ";
    const char c = code[i];
    loose += c == 'o' ? '0' : c == 'l' ? '1' : c == 'b' ? '8' : static_cast<char>(std::toupper(c));
  }
  EXPECT_TRUE(keys->open(loose + "\r\n").ok());
}

TEST_F(Receipts, EveryChangedLetterIsSeen) {
  const auto keys = ring();
  const auto code = keys->seal(statement_, sender_);
  for (std::size_t i = 0; i < code.size(); ++i) {
    auto other = code;
    other[i] = other[i] == 'a' ? 'c' : 'a';
    const auto opened = keys->open(other);
    ASSERT_FALSE(opened.ok()) << i;
    EXPECT_TRUE(opened.error() == ReceiptError::kTampered || opened.error() == ReceiptError::kUnknownKey) << i;
  }
}

TEST_F(Receipts, OtherTextIsNotACode) {
  const auto keys = ring();
  for (const std::string text : {"", "hello", "5.7.26"}) EXPECT_EQ(keys->open(text).error(), ReceiptError::kNotACode);
  EXPECT_EQ(keys->open(std::string(39, 'a')).error(), ReceiptError::kNotACode);
  EXPECT_EQ(keys->open(std::string(41, 'a')).error(), ReceiptError::kNotACode);
  EXPECT_EQ(keys->open(std::string(40, '9')).error(), ReceiptError::kNotACode);
  EXPECT_EQ(keys->open(std::string(40, '\0')).error(), ReceiptError::kNotACode);
  EXPECT_EQ(keys->open(std::string(1'000'000, 'a')).error(), ReceiptError::kNotACode);
}

TEST_F(Receipts, SurviveARestart) {
  const auto code = ring()->seal(statement_, sender_);
  const auto again = ring(kNow + 60);
  EXPECT_EQ(again->keys(), 1u);
  EXPECT_EQ(again->open(code)->statement, statement_);
}

TEST_F(Receipts, TheFileIsForItsOwnerOnly) {
  ring();
  struct stat info;
  ASSERT_EQ(::stat(file_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  EXPECT_FALSE(std::filesystem::exists(file_ + ".new"));
}

TEST_F(Receipts, KeysRotateAndAreDestroyed) {
  const auto keys = ring();
  const auto old_code = keys->seal(statement_, sender_);
  EXPECT_FALSE(*keys->rotate(kNow + 100));
  EXPECT_TRUE(*keys->rotate(kNow + kDay));
  EXPECT_EQ(keys->keys(), 2u);
  EXPECT_TRUE(keys->open(old_code).ok());
  EXPECT_NE(keys->seal(statement_, sender_), old_code);
  for (int day = 2; day < 31; ++day) EXPECT_TRUE(*keys->rotate(kNow + day * kDay));
  EXPECT_TRUE(keys->rotate(kNow + 31 * kDay - 1).ok());
  EXPECT_TRUE(keys->open(old_code).ok());
  EXPECT_TRUE(*keys->rotate(kNow + 31 * kDay));
  EXPECT_EQ(keys->open(old_code).error(), ReceiptError::kExpired);
  EXPECT_EQ(ring(kNow + 31 * kDay)->open(old_code).error(), ReceiptError::kExpired);  // the file knows it too
}

TEST_F(Receipts, AClockThatLeapsDestroysNoKey) {
  const auto keys = ring();
  for (int day = 1; day < 5; ++day) EXPECT_TRUE(*keys->rotate(kNow + day * kDay));
  const auto code = keys->seal(statement_, sender_);
  for (int day = 5; day < 10; ++day) EXPECT_TRUE(*keys->rotate(kNow + day * kDay));
  EXPECT_TRUE(keys->rotate(kNow + 400 * kDay).ok());
  EXPECT_TRUE(keys->open(code).ok());
  EXPECT_TRUE(keys->rotate(kNow + 10 * kDay).ok());  // and back
  EXPECT_TRUE(ring(kNow + 400 * kDay)->open(code).ok());
  // A leap that lasts is believed: now the key is over.
  for (int day = 401; day < 410; ++day) EXPECT_TRUE(keys->rotate(kNow + day * kDay).ok());
  EXPECT_EQ(keys->open(code).error(), ReceiptError::kExpired);
}

TEST_F(Receipts, IdsGoRound) {
  const auto keys = ring();
  for (int day = 1; day < 300; ++day) ASSERT_TRUE(keys->rotate(kNow + day * kDay).ok());
  EXPECT_LE(keys->keys(), 31u);
  const auto code = keys->seal(statement_, sender_);
  EXPECT_TRUE(ring(kNow + 299 * kDay)->open(code).ok());
}

TEST_F(Receipts, AtMostTwoHundredKeys) {
  Settings often;
  often.rotate_s = 60;
  const auto keys = ring(kNow, often);
  for (int i = 1; i < 210; ++i) ASSERT_TRUE(keys->rotate(kNow + i * 60).ok());
  EXPECT_EQ(keys->keys(), 200u);
}

TEST_F(Receipts, ForeignKeyIsUnknown) {
  const auto code = ring()->seal(statement_, sender_);
  std::filesystem::remove(file_);
  const auto other = ring();
  EXPECT_EQ(other->open(code).error(), ReceiptError::kTampered);  // the same id, another key
  auto octets = code;
  octets[0] = 'q';  // id 128 and up
  EXPECT_EQ(other->open(octets).error(), ReceiptError::kUnknownKey);
}

TEST_F(Receipts, BrokenFilesAreErrors) {
  for (const std::string text :
       {"", "other file\n", "sekisho receipt keys 1\nkey 1 2\n", "sekisho receipt keys 1\nkey 300 1 0 00\n",
        "sekisho receipt keys 1\nkey 1 1 0 zz\n", "sekisho receipt keys 1\nkey 1 1 0 0011"}) {
    std::ofstream(file_, std::ios::trunc) << text;
    const auto opened = KeyRing::open(file_, {}, random_, kNow);
    ASSERT_FALSE(opened.ok()) << text;
    EXPECT_EQ(opened.error(), KeyError::kMalformed) << text;
  }
  file_ = folder_ + "/no/such/folder/keys";
  EXPECT_EQ(KeyRing::open(file_, {}, random_, kNow).error(), KeyError::kUnwritable);
}

TEST_F(Receipts, AFailedWriteIsMadeUpFor) {
  const auto keys = ring();
  std::filesystem::rename(folder_, folder_ + ".away");
  EXPECT_EQ(keys->rotate(kNow + kDay).error(), KeyError::kUnwritable);
  const auto code = keys->seal(statement_, sender_);
  EXPECT_TRUE(keys->open(code).ok());
  std::filesystem::rename(folder_ + ".away", folder_);
  EXPECT_TRUE(*keys->rotate(kNow + kDay + 60));
  EXPECT_TRUE(ring(kNow + kDay + 120)->open(code).ok());
}

TEST_F(Receipts, AClockThatJumpsBackHarmsNothing) {
  const auto keys = ring();
  const auto code = keys->seal(statement_, sender_);
  EXPECT_FALSE(*keys->rotate(kNow - 10 * kDay));
  EXPECT_TRUE(keys->open(code).ok());
}

// Made by another program from docs/receipt_format.md: key 00 01 .. 1f with id 7.
TEST_F(Receipts, TheFormatIsTheDocumentedOne) {
  std::ofstream(file_) << "sekisho receipt keys 1\nkey 7 " << kNow
                       << " 0 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n";
  EXPECT_EQ(ring()->seal(statement_, sender_), "a5tstvcphg5ehbje2m3do4zhcpubnbbvqnpt3fht");
}

TEST(ReasonId, IsStable) {
  EXPECT_EQ(reason_id("dmarc_fail"), reason_id("dmarc_fail"));
  EXPECT_NE(reason_id("dmarc_fail"), reason_id("spf_fail"));
  EXPECT_LT(reason_id("dmarc_fail"), 1u << 24);
}

}  // namespace
}  // namespace sekisho::receipt
