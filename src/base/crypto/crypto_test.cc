#include "base/crypto/crypto.h"

#include <gtest/gtest.h>

#include "base/core/text.h"

namespace sekisho::crypto {
namespace {

std::string hex(const Digest& digest) { return core::hex(view(digest)); }

TEST(Crypto, KnownDigests) {
  EXPECT_EQ(hex(sha256("abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  // RFC 4231 test case 2.
  EXPECT_EQ(hex(hmac_sha256("Jefe", "what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

TEST(Crypto, EqualComparesAll) {
  EXPECT_TRUE(equal("", ""));
  EXPECT_TRUE(equal("abc", "abc"));
  EXPECT_FALSE(equal("abc", "abd"));
  EXPECT_FALSE(equal("abc", "ab"));
}

TEST(Synthetic, OpensWhatItSealed) {
  const std::string master(32, 'k');
  for (const std::size_t size : {0u, 1u, 15u, 16u, 17u, 1000u}) {
    const std::string plain(size, 'p');
    const auto sealed = seal_synthetic(master, "context", plain, 10);
    EXPECT_EQ(sealed.size(), size + 10);
    EXPECT_EQ(open_synthetic(master, "context", sealed, 10), plain);
  }
}

TEST(Synthetic, EveryFlippedBitIsSeen) {
  const std::string master(32, 'k');
  const auto sealed = seal_synthetic(master, "context", "statement", 10);
  for (std::size_t bit = 0; bit < sealed.size() * 8; ++bit) {
    auto other = sealed;
    other[bit / 8] = static_cast<char>(other[bit / 8] ^ 1 << bit % 8);
    EXPECT_FALSE(open_synthetic(master, "context", other, 10)) << bit;
  }
  EXPECT_FALSE(open_synthetic(master, "contexu", sealed, 10));
  EXPECT_FALSE(open_synthetic(std::string(32, 'l'), "context", sealed, 10));
  EXPECT_FALSE(open_synthetic(master, "context", "short", 10));
}

TEST(Synthetic, AssociatedDataAndTextDoNotRunTogether) {
  const std::string master(32, 'k');
  const auto a = seal_synthetic(master, "ab", "c", 16), b = seal_synthetic(master, "a", "bc", 16);
  EXPECT_NE(a.substr(0, 16), b.substr(0, 16));
}

TEST(Synthetic, EqualStatementsOnlyLookEqual) {
  const std::string master(32, 'k');
  EXPECT_EQ(seal_synthetic(master, "", "x1", 10), seal_synthetic(master, "", "x1", 10));
  EXPECT_NE(seal_synthetic(master, "", "x1", 10).substr(10, 1), seal_synthetic(master, "", "x2", 10).substr(10, 1));
}

}  // namespace
}  // namespace sekisho::crypto
