// Interoperation: every signature here is made by `openssl cms -sign`.
#include "road/identity/smime/smime.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "road/identity/smime/entity.h"

namespace sekisho::smime {
namespace {

namespace fs = std::filesystem;
using road::AuthResult;

constexpr const char* kMake = R"(set -e
cd "$1"
ca() { openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj "/CN=$1" -keyout $1.key -out $1.crt -addext basicConstraints=critical,CA:TRUE; }
person() { # name subject extensions issuer key-options
  openssl req -newkey $5 -nodes -subj "$2" -keyout $1.key -out $1.csr
  printf "$3\n" > $1.ext
  openssl x509 -req -in $1.csr -CA $4.crt -CAkey $4.key -CAcreateserial -days 10 -extfile $1.ext -out $1.crt
}
ca ca; ca stranger
person san "/CN=Alice" "subjectAltName=email:other@b.example,email:Alice@A.example" ca rsa:2048
person subject "/CN=Alice/emailAddress=Alice@a.example" "keyUsage=digitalSignature" ca rsa:2048
person ec "/CN=Alice" "subjectAltName=email:Alice@a.example" ca "ec -pkeyopt ec_paramgen_curve:prime256v1"
person bob "/CN=Bob" "subjectAltName=email:bob@a.example" ca rsa:2048
person nobody "/CN=Nobody" "keyUsage=digitalSignature" ca rsa:2048
person short "/CN=Alice" "subjectAltName=email:Alice@a.example" ca rsa:1024
person host "/CN=Host" "subjectAltName=email:Alice@a.example\nextendedKeyUsage=serverAuth" ca rsa:2048
person foreign "/CN=Alice" "subjectAltName=email:Alice@a.example" stranger rsa:2048
printf 'Content-Type: text/plain\r\n\r\nHello  \r\n.dot\r\n\r\n' > text
sign() { out=$1; who=$2; shift 2; openssl cms -sign -in text -signer $who.crt -inkey $who.key -binary -crlfeol "$@" -out $out; }
for who in san subject ec bob nobody short host foreign; do sign $who.eml $who; done
sign opaque.eml san -nodetach
sign sha1.eml san -md sha1
sign nocerts.eml san -nocerts
sign two.eml bob -signer san.crt -inkey san.key
openssl cms -encrypt -aes256 -in text -out sealed.eml san.crt
)";

class Smime : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    std::string path = (fs::temp_directory_path() / "sekisho-smime-XXXXXX").string();
    folder = ::mkdtemp(path.data()) ? path : "";
    std::ofstream(folder + "/make") << kMake;
    made = std::system(("bash " + folder + "/make " + folder + " > " + folder + "/log 2>&1").c_str()) == 0;
    if (auto loaded = Trust::load(folder + "/ca.crt")) trust = *loaded;
  }
  static void TearDownTestSuite() {
    std::error_code ignored;
    if (!folder.empty()) fs::remove_all(folder, ignored);
  }
  void SetUp() override {
    ASSERT_TRUE(made) << read("log");
    ASSERT_TRUE(trust);
  }
  static std::string read(const std::string& name) {
    std::ifstream in(folder + "/" + name, std::ios::binary);
    std::string text(std::istreambuf_iterator<char>(in), {});
    std::erase(text, '\r');  // one kind of line end for edit(); from_file makes CRLF of it
    return text;
  }
  static Evaluation judge(const std::string& octets, std::int64_t late_s = 60,
                          const std::string& author = "Alice@a.example") {
    core::Budget budget;
    const auto message = mail::Message::from_file("From: " + author + "\r\n" + octets, budget);
    EXPECT_TRUE(message);
    if (!message) return {};
    std::vector<mail::Address> authors{*mail::Address::parse(author)};
    return io::run(verify(**message, authors, trust, {std::time(nullptr) + late_s, nullptr}, budget));
  }
  static std::string edit(std::string text, const std::string& from, const std::string& to) {
    const auto at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    return at == std::string::npos ? text : text.replace(at, from.size(), to);
  }
  static inline std::string folder;
  static inline bool made = false;
  static inline std::shared_ptr<const Trust> trust;
};

TEST_F(Smime, TheAuthorsSignaturePasses) {
  for (const char* name : {"san.eml", "subject.eml", "ec.eml", "two.eml"}) {
    const auto e = judge(read(name));
    EXPECT_EQ(e.result, AuthResult::kPass) << name << ": " << e.reason;
    EXPECT_TRUE(e.by_author) << name;
    EXPECT_EQ(e.part, "2");
    EXPECT_EQ(e.domain->text(), "a.example");
    EXPECT_EQ(e.issuer, "CN=ca");
    EXPECT_FALSE(e.serial.empty());
    ASSERT_EQ(e.findings.size(), 1u);
    EXPECT_EQ(e.findings.front().code, "smime_pass");
  }
  const auto opaque = judge(read("opaque.eml"));
  EXPECT_EQ(opaque.result, AuthResult::kPass) << opaque.reason;
  EXPECT_EQ(opaque.part, "1");
}

TEST_F(Smime, WithoutCasNothingIsLookedAt) {
  core::Budget budget;
  const auto message = mail::Message::from_file("From: a@b\r\n" + read("san.eml"), budget);
  EXPECT_EQ(io::run(verify(**message, {}, nullptr, {}, budget)).result, AuthResult::kNone);
}

TEST_F(Smime, WhatIsNotOurs) {
  EXPECT_EQ(judge("Content-Type: text/plain\r\n\r\nhi\r\n").result, AuthResult::kNone);
  EXPECT_EQ(judge(read("sealed.eml")).result, AuthResult::kNone) << "never decrypted";
  EXPECT_EQ(judge(edit(read("sealed.eml"), "smime-type=enveloped-data; ", "")).result, AuthResult::kNone);
  EXPECT_EQ(judge(edit(read("san.eml"), "application/pkcs7-signature", "application/pgp-signature")).result,
            AuthResult::kNone);
}

TEST_F(Smime, TamperedFails) {
  const auto e = judge(edit(read("san.eml"), "Hello", "Jello"));
  EXPECT_EQ(e.result, AuthResult::kFail) << e.reason;
  EXPECT_EQ(e.findings.front().code, "smime_fail");
  EXPECT_EQ(judge(edit(read("san.eml"), "Hello  ", "Hello ")).result, AuthResult::kFail) << "octets, not words";
  EXPECT_EQ(judge(edit(read("san.eml"), "text/plain", "text/html")).result, AuthResult::kFail)
      << "the part's header is signed too";
}

TEST_F(Smime, ClockAndCertificate) {
  EXPECT_EQ(judge(read("san.eml"), 20 * 86400).result, AuthResult::kFail) << "expired";
  EXPECT_EQ(judge(read("san.eml"), -86400).result, AuthResult::kFail) << "not yet valid";
  EXPECT_NE(judge(read("san.eml"), -86400).reason.find("not yet valid"), std::string::npos);
  EXPECT_EQ(judge(read("foreign.eml")).result, AuthResult::kPolicy);
  EXPECT_EQ(judge(read("short.eml")).result, AuthResult::kPolicy);
  EXPECT_EQ(judge(read("sha1.eml")).result, AuthResult::kPolicy);
  EXPECT_EQ(judge(read("host.eml")).result, AuthResult::kPolicy) << "a host's certificate signs no mail";
  EXPECT_EQ(judge(read("nocerts.eml")).result, AuthResult::kPermError);
}

TEST_F(Smime, TheSignerMustBeTheAuthor) {
  const auto bob = judge(read("bob.eml"));
  EXPECT_EQ(bob.result, AuthResult::kPolicy);
  EXPECT_EQ(bob.address, "bob@a.example");
  EXPECT_FALSE(bob.by_author);
  EXPECT_EQ(judge(read("bob.eml"), 60, "bob@A.EXAMPLE").result, AuthResult::kPass);
  EXPECT_EQ(judge(read("bob.eml"), 60, "Bob@a.example").result, AuthResult::kPolicy) << "RFC 5280 section 7.5";
  EXPECT_EQ(judge(read("nobody.eml")).result, AuthResult::kPolicy);
}

TEST_F(Smime, TheEnvelopeOfTheSignature) {
  const std::string good = read("san.eml");
  const auto mark = good.find("boundary=\"") + 10;
  const std::string boundary = good.substr(mark, good.find('"', mark) - mark), line = "--" + boundary;
  const auto neutral = [&](const std::string& text) { return judge(text).result; };
  EXPECT_EQ(neutral(edit(good, line + "--", "")), AuthResult::kNeutral);
  const auto body = good.find("\n\n") + 2;
  // A reader that compares only the beginning of a line would show this part, which nobody signed.
  const std::string hidden = line + "x\nContent-Type: text/html\n\nevil\n";
  EXPECT_EQ(neutral(good.substr(0, body) + hidden + good.substr(body)), AuthResult::kNeutral);
  EXPECT_EQ(neutral(good + hidden), AuthResult::kNeutral);
  EXPECT_EQ(neutral(good + line + "\n\nthird\n"), AuthResult::kNeutral);
  EXPECT_EQ(neutral("Content-Type: text/plain\n" + good), AuthResult::kNone) << "the first is what readers show";
  EXPECT_EQ(neutral(edit(good, "boundary=", "boundary=\"x\"; boundary=")), AuthResult::kNeutral);
  EXPECT_EQ(neutral(edit(good, "boundary=", "boundary*0=\"x\"; boundary=")), AuthResult::kNeutral);
  EXPECT_EQ(neutral(edit(good, "base64", "x-unknown")), AuthResult::kNeutral);
  EXPECT_EQ(judge(good + "a list's footer\n").result, AuthResult::kPass) << "an epilogue is never shown";
  for (std::size_t i = 0; i < good.size(); i += 37) EXPECT_NE(judge(good.substr(0, i)).result, AuthResult::kPass) << i;
}

TEST_F(Smime, NestedIsNotLookedAt) {
  const std::string nested =
      "Content-Type: multipart/mixed; boundary=\"out\"\r\n\r\n--out\r\n" + read("san.eml") + "\r\n--out--\r\n";
  EXPECT_EQ(judge(nested).result, AuthResult::kNone);
}

TEST_F(Smime, NothingCostsMuch) {
  const std::string head =
      "Content-Type: multipart/signed; protocol=\"application/pkcs7-signature\"; boundary=b\r\n\r\n";
  std::string lines, dashes;
  for (int i = 0; i < 300000; ++i) lines += "--\r\n", dashes += "--c\r\n";
  const std::string signature =
      "Content-Type: application/pkcs7-signature\r\nContent-Transfer-Encoding: base64\r\n\r\n";
  std::string deep(200000, '\x30');
  for (std::size_t i = 1; i < deep.size(); i += 2) deep[i] = '\x80';
  const std::string opaque =
      "Content-Type: application/pkcs7-mime; smime-type=signed-data\r\nContent-Transfer-Encoding: binary\r\n\r\n";
  for (const auto& text :
       {head + lines, head + dashes,
        head + "--b\r\n" + lines + "--b\r\n" + signature + std::string(1 << 20, 'A') + "\r\n--b--\r\n", opaque + deep,
        "Content-Type: " + std::string(100000, '(') + "\r\n\r\n"}) {
    const auto started = std::chrono::steady_clock::now();
    EXPECT_NE(judge(text).result, AuthResult::kPass);
    EXPECT_LT(std::chrono::steady_clock::now() - started, std::chrono::seconds(1));
  }
}

TEST(SmimeSplit, ExactOctets) {
  const auto parts = split("pre\r\n--b\r\none\r\n\r\n--b \t\r\n\r\ntwo\r\n--b--\r\nafter", "b");
  EXPECT_EQ(parts.fault, "");
  EXPECT_EQ(parts.first, "one\r\n");
  EXPECT_EQ(parts.second, "\r\ntwo");
  EXPECT_EQ(split("--b\r\n\r\n--b\r\n\r\n--b--", "b").fault, "");
  EXPECT_EQ(split("--b\r\n--b\r\n--b--", "b").first, "");
  EXPECT_NE(split("", "b").fault, "");
  EXPECT_NE(split("--b--\r\n--b\r\n--b", "b").fault, "");
  EXPECT_NE(split("x--b\r\n\r\n--b\r\n\r\n--b--", "b").fault, "");
}

TEST(SmimeContentType, Values) {
  const auto type = parse_content_type(
      " Multipart/Signed (a;b=\"c\"); protocol=\"application/pkcs7-signature\";\r\n\tmicalg=sha-256; "
      "boundary=\"a\\\"b\"");
  EXPECT_EQ(type.type, "multipart/signed");
  EXPECT_EQ(type.protocol, "application/pkcs7-signature");
  EXPECT_EQ(type.boundary, "a\"b");
  for (const char* bad : {"", "text", "/", "a/", "a/b; c=\"", "a/b c", "a/b; ="})
    EXPECT_EQ(parse_content_type(bad).type, "") << bad;
}

TEST(SmimeTrust, BadFiles) {
  EXPECT_NE(Trust::load("/nonexistent").error().find("cannot be read"), std::string::npos);
  EXPECT_NE(Trust::load("/dev/null").error().find("no certificate"), std::string::npos);
}

}  // namespace
}  // namespace sekisho::smime
