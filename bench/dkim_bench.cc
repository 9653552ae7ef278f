// CPU of one DKIM verification, RSA-2048, relaxed/relaxed, at three sizes and three kinds of body, against the least
// OpenSSL can do (SHA-256 of all octets + one RSA check with a key that is ready) and against libopendkim, in one run.
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "base/dns/zone.h"
#include "cpu.h"
#include "road/identity/dkim/dkim.h"

#ifdef HAVE_OPENDKIM
#include <sys/types.h>

#define _Bool bool  // the header is C
extern "C" {
#include <opendkim/dkim.h>
}
#endif

using namespace sekisho;

namespace {
std::string make_body(std::string_view kind, std::size_t size) {
  static constexpr std::string_view kWords[] = {"the",   "mail", "passes", "a",   "checkpoint",
                                                "where", "it",   "is",     "read"};
  std::string body;
  unsigned turn = 1;
  while (body.size() < size) {
    std::string line;
    if (kind == "html") line.assign(4 * (turn % 5), ' ');
    while (line.size() < 66) {
      turn = turn * 1103515245 + 12345;
      if (kind == "base64")
        line += static_cast<char>('A' + (turn >> 16) % 26);
      else
        line.append(kWords[(turn >> 16) % 9]).append(" ");
    }
    if (kind != "base64") line.pop_back();
    body += line + "\r\n";
  }
  body.resize(size - 2);
  return body + "\r\n";
}

std::string header() {
  return "From: Sender <sender@sender.example>\r\nTo: user@dest.example\r\nSubject: a mail of some size\r\n"
         "Date: Thu, 15 Jan 2026 00:00:00 +0000\r\nMessage-ID: <1@sender.example>\r\nMIME-Version: 1.0\r\n"
         "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n";
}

std::string make_pem() {
  EVP_PKEY* key = EVP_RSA_gen(2048);
  BIO* out = BIO_new(BIO_s_mem());
  PEM_write_bio_PrivateKey(out, key, nullptr, nullptr, 0, nullptr, nullptr);
  char* text = nullptr;
  const long size = BIO_get_mem_data(out, &text);
  std::string pem(text, static_cast<std::size_t>(size));
  BIO_free(out);
  EVP_PKEY_free(key);
  return pem;
}

// The floor: contexts made beforehand, nothing but the two operations.
class Floor {
 public:
  explicit Floor(const std::string& pem) {
    BIO* in = BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()));
    key_ = PEM_read_bio_PrivateKey(in, nullptr, nullptr, nullptr);
    BIO_free(in);
    md_ = EVP_MD_fetch(nullptr, "SHA256", nullptr);
    hash_ = EVP_MD_CTX_new();
    verify_ = init(EVP_PKEY_verify_init);
    sign_ = init(EVP_PKEY_sign_init);
    sign({});
  }
  void hash(std::string_view octets) {
    unsigned char digest[32];
    EVP_DigestInit_ex2(hash_, md_, nullptr);
    EVP_DigestUpdate(hash_, octets.data(), octets.size());
    EVP_DigestFinal_ex(hash_, digest, nullptr);
  }
  void sign(std::string_view octets) {
    hash(octets);
    const unsigned char zero[32] = {};
    std::size_t size = sizeof signature_;
    EVP_PKEY_sign(sign_, signature_, &size, zero, sizeof zero);
  }
  bool run(std::string_view octets) {
    hash(octets);
    const unsigned char zero[32] = {};
    return EVP_PKEY_verify(verify_, signature_, sizeof signature_, zero, sizeof zero) == 1;
  }

 private:
  template <class Init>
  EVP_PKEY_CTX* init(Init start) {
    EVP_PKEY_CTX* context = EVP_PKEY_CTX_new_from_pkey(nullptr, key_, nullptr);
    start(context);
    EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PADDING);
    EVP_PKEY_CTX_set_signature_md(context, EVP_sha256());
    return context;
  }
  EVP_PKEY* key_;
  EVP_MD* md_;
  EVP_MD_CTX* hash_;
  EVP_PKEY_CTX *verify_, *sign_;
  unsigned char signature_[256];
};

#ifdef HAVE_OPENDKIM
std::string record_text;
DKIM_CBSTAT answer_key(DKIM*, DKIM_SIGINFO*, u_char* out, size_t size) {
  std::strncpy(reinterpret_cast<char*>(out), record_text.c_str(), size);
  return DKIM_CBSTAT_CONTINUE;
}

double opendkim_us(const std::string& mail, int count) {
  DKIM_LIB* library = dkim_init(nullptr, nullptr);
  dkim_set_key_lookup(library, answer_key);
  bool good = true;
  const double us = best_us(count, [&] {
    DKIM_STAT stat = 0;
    DKIM* handle = dkim_verify(library, reinterpret_cast<const unsigned char*>("mail"), nullptr, &stat);
    std::string copy = mail;
    dkim_chunk(handle, reinterpret_cast<u_char*>(copy.data()), copy.size());
    dkim_chunk(handle, nullptr, 0);
    good = dkim_eom(handle, nullptr) == DKIM_STAT_OK && good;
    dkim_free(handle);
  });
  dkim_close(library);
  return good ? us : -1;
}
#endif
}  // namespace

// An argument names one kind of body.
int main(int argc, char** argv) {
  const std::string pem = make_pem();
  const auto key = signature::PrivateKey::from_pem(pem);
  dns::Zone zone;
  zone.add("s1._domainkey.sender.example", dns::Type::kTxt, key->record());
  const auto resolver = dns::make_overlay(zone, nullptr);
  Floor floor(pem);
  std::printf("%-7s %9s %10s %10s %7s %12s %10s %6s\n", "body", "octets", "floor us", "ours us", "ratio",
              "with parse us", "opendkim", "ours/");
  int missed = 0;
  for (std::string_view kind : {"text", "base64", "html"}) {
    if (argc > 1 && kind != argv[1]) continue;
    for (std::size_t size : {2048u, 51200u, 1048576u}) {
      const std::string plain = header() + make_body(kind, size);
      core::Budget budget;
      const auto unsigned_message = mail::Message::parse(plain, budget);
      dkim::SignOptions options{*mail::Domain::parse("sender.example"), "s1"};
      const std::string mail = *dkim::sign(**unsigned_message, *key, options) + plain;
      const auto message = mail::Message::parse(mail, budget);
      const int count = size > 500'000 ? 10 : size > 10'000 ? 100 : 500;
      bool good = true;
      const auto verify = [&](const mail::Message& one) {
        core::Budget left;
        road::Findings findings;
        dkim::Options now;
        now.now_s = 1'768'435'200;
        good = core::run_ready(dkim::verify(one, *resolver, now, left, findings)).at(0).passed() && good;
      };
      const double least = best_us(count, [&] { good = floor.run(mail) && good; });
      const double ours = best_us(count, [&] { verify(**message); });
      const double parsed = best_us(count, [&] {
        core::Budget left;
        verify(**mail::Message::parse(mail, left));
      });
      double peer = 0;
#ifdef HAVE_OPENDKIM
      record_text = key->record();
      peer = opendkim_us(mail, std::max(1, count / 10));
#endif
      missed += ours > 1.5 * least;
      std::printf("%-7s %9zu %10.1f %10.1f %7.2f %12.1f %10.1f %6.2f%s\n", std::string(kind).c_str(), mail.size(),
                  least, ours, ours / least, parsed, peer, peer > 0 ? ours / peer : 0.0, good ? "" : "  NOT VERIFIED");
    }
  }
  std::printf("\nsign    %9s %10s %10s %7s\n", "octets", "floor us", "ours us", "ratio");
  for (std::size_t size : {2048u, 51200u, 1048576u}) {
    const std::string plain = header() + make_body("text", size);
    core::Budget budget;
    const auto message = mail::Message::parse(plain, budget);
    const dkim::SignOptions options{*mail::Domain::parse("sender.example"), "s1"};
    bool good = true;
    const double least = best_us(20, [&] { floor.sign(plain); });
    const double ours = best_us(20, [&] { good = dkim::sign(**message, *key, options).ok() && good; });
    std::printf("text    %9zu %10.1f %10.1f %7.2f%s\n", plain.size(), least, ours, ours / least,
                good ? "" : "  FAILED");
  }
  // RFC 8463: RSA and Ed25519 side by side; the floor hashes once and makes both signatures.
  const auto ed = signature::PrivateKey::generate(signature::KeyType::kEd25519);
  for (std::size_t size : {2048u, 1048576u}) {
    const std::string plain = header() + make_body("text", size);
    core::Budget budget;
    const auto message = mail::Message::parse(plain, budget);
    const dkim::SignOptions first{*mail::Domain::parse("sender.example"), "s1"};
    const dkim::SignOptions second{*mail::Domain::parse("sender.example"), "s2"};
    const std::vector<dkim::SignWith> with = {{&*key, first}, {&ed, second}};
    bool good = true;
    const std::string digest(32, 'd');
    const double least = best_us(20, [&] {
      floor.sign(plain);
      good = ed.sign(signature::Hash::kSha256, digest) && good;
    });
    const double ours = best_us(20, [&] { good = dkim::sign_all(**message, with).ok() && good; });
    std::printf("both    %9zu %10.1f %10.1f %7.2f%s\n", plain.size(), least, ours, ours / least,
                good ? "" : "  FAILED");
  }
  std::printf("sign: at most 1.2 x the floor\n");
  std::printf("verify: at most 1.5 x the floor; missed at %d of 9\n", missed);
  return 0;
}
