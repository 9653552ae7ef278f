#include "road/identity/signature/key.h"

#include <gtest/gtest.h>

#include "base/core/text.h"

namespace sekisho::signature {
namespace {

core::Result<KeyRecord, KeyError> record(std::string_view text) {
  core::Budget budget;
  return KeyRecord::parse(text, budget);
}

TEST(KeyRecord, Defaults) {
  const auto key = record("p=AAAA");
  ASSERT_TRUE(key);
  EXPECT_EQ(key->type, KeyType::kRsa);
  EXPECT_TRUE(key->for_mail && key->allows_sha1 && key->allows_sha256);
  EXPECT_FALSE(key->testing || key->strict_domain || key->versioned || key->granularity);
}

TEST(KeyRecord, ReadsItsTags) {
  const auto key =
      record("v=DKIM1; s=tlsrpt:email; h=sha256:future; t = y : s:n; g=j*g; k=ed25519; n=a note; p=AA AA ; ");
  ASSERT_TRUE(key);
  EXPECT_EQ(key->type, KeyType::kEd25519);
  EXPECT_TRUE(key->for_mail && !key->allows_sha1 && key->allows_sha256 && key->testing && key->strict_domain);
  EXPECT_EQ(key->granularity, "j*g");
  EXPECT_EQ(key->key, "AA AA");
  EXPECT_FALSE(record("v=DKIM1; s=other; p=AAAA")->for_mail);
}

TEST(KeyRecord, Refuses) {
  EXPECT_EQ(record("v=DKIM1; p=").error(), KeyError::kRevoked);
  EXPECT_EQ(record("v=DKIM3; p=AAAA").error(), KeyError::kVersion);
  EXPECT_EQ(record("v=dkim1; p=AAAA").error(), KeyError::kVersion);
  EXPECT_EQ(record("p=AAAA; v=DKIM1").error(), KeyError::kSyntax);
  EXPECT_EQ(record("v=DKIM1; k=rsa").error(), KeyError::kSyntax);
  EXPECT_EQ(record("k=rsa; t; p=AAAA").error(), KeyError::kSyntax);
  EXPECT_EQ(record("p=AAAA; p=BBBB").error(), KeyError::kSyntax);
  EXPECT_EQ(record("v=spf1 -all").error(), KeyError::kVersion);
  EXPECT_EQ(record("").error(), KeyError::kSyntax);
  EXPECT_EQ(record("k=dsa; p=AAAA").error(), KeyError::kUnknownType);
  EXPECT_EQ(record("p=" + std::string(9000, 'A')).error(), KeyError::kTooLong);
}

std::string tlv(int tag, const std::string& value) {
  std::string out(1, static_cast<char>(tag));
  if (value.size() < 128)
    out += static_cast<char>(value.size());
  else
    out += {'\x82', static_cast<char>(value.size() >> 8), static_cast<char>(value.size() & 255)};
  return out + value;
}

// RSAPublicKey with a modulus of `bits` and the given exponent.
std::string rsa_key(std::size_t bits, const std::string& exponent) {
  std::string modulus(bits / 8, '\x5a');
  modulus[0] = '\xc1';
  modulus.back() = '\x5b';
  return core::base64(tlv(0x30, tlv(2, '\0' + modulus) + tlv(2, exponent)));
}

TEST(PublicKey, RefusesKeysAnybodyCouldSignWithAndKeysThatCostTooMuch) {
  const std::string e65537("\x01\x00\x01", 3);
  const auto good = PublicKey::load(KeyType::kRsa, rsa_key(2048, e65537));
  ASSERT_TRUE(good);
  EXPECT_EQ((*good)->bits(), 2048u);
  EXPECT_FALSE((*good)->verify(Hash::kSha256, std::string(32, 'x'), std::string(256, 'y')));
  EXPECT_FALSE((*good)->verify(Hash::kSha256, std::string(32, 'x'), ""));
  EXPECT_EQ(PublicKey::load(KeyType::kRsa, rsa_key(2048, "\x01")).error(), KeyError::kUnusable);
  EXPECT_EQ(PublicKey::load(KeyType::kRsa, rsa_key(2048, "\x04")).error(), KeyError::kUnusable);
  EXPECT_EQ(PublicKey::load(KeyType::kRsa, rsa_key(16384, e65537)).error(), KeyError::kTooLarge);
  EXPECT_EQ(PublicKey::load(KeyType::kRsa, rsa_key(2048, "\x7f" + std::string(99, '\x01'))).error(),
            KeyError::kTooLarge);
  EXPECT_TRUE(PublicKey::load(KeyType::kRsa, rsa_key(8192, e65537)));
  EXPECT_EQ(PublicKey::load(KeyType::kRsa, "AAAA").error(), KeyError::kUnusable);
  EXPECT_EQ(PublicKey::load(KeyType::kRsa, "not base64!").error(), KeyError::kUnusable);
  EXPECT_EQ(PublicKey::load(KeyType::kEd25519, rsa_key(2048, e65537)).error(), KeyError::kUnusable);
  EXPECT_EQ(PublicKey::load(KeyType::kEd25519, core::base64(std::string(31, 'k'))).error(), KeyError::kUnusable);
}

TEST(PublicKey, RefusesEd25519PointsOfSmallOrder) {
  const std::string ff(30, '\xff');
  for (std::string point : {std::string(32, '\0'), '\1' + std::string(31, '\0'), '\1' + std::string(30, '\0') + '\x80',
                            "\xec" + ff + "\x7f", "\xed" + ff + "\xff", "\xee" + ff + "\x7f",
                            *core::unhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"),
                            *core::unhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa")})
    EXPECT_EQ(PublicKey::load(KeyType::kEd25519, core::base64(point)).error(), KeyError::kUnusable) << core::hex(point);
  // RFC 8032 section 7.1, the key of the first test.
  EXPECT_TRUE(PublicKey::load(KeyType::kEd25519, "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="));
}

TEST(PublicKey, CacheIsBounded) {
  const std::string e("\x01\x00\x01", 3);
  for (int i = 0; i < 600; ++i) {
    std::string der = *core::unbase64(rsa_key(1024, e));
    der[40] = static_cast<char>(i);
    der[41] = static_cast<char>(i >> 8);
    ASSERT_TRUE(PublicKey::load(KeyType::kRsa, core::base64(der)));
  }
}

}  // namespace
}  // namespace sekisho::signature
