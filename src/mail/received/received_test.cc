// testdata/golden/NN-name.received: the value of one field as a server writes it; NN-name.expect: "from IP HELO" ("-"
// for none), "local" or "unreadable".
#include "mail/received/received.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>

namespace sekisho::received {
namespace {

std::string read(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::string told(const Clause& clause) {
  if (clause.kind == Kind::kLocal) return "local\n";
  if (clause.kind == Kind::kUnreadable) return "unreadable\n";
  return "from " + clause.ip.text() + " " + (clause.helo.empty() ? "-" : clause.helo) + "\n";
}

TEST(Received, Golden) {
  int count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(TESTDATA "/golden")) {
    auto path = entry.path();
    if (path.extension() != ".received") continue;
    ++count;
    const std::string value = read(path);
    EXPECT_EQ(told(parse(value)), read(path.replace_extension(".expect"))) << entry.path();
  }
  EXPECT_GE(count, 40);
}

// The client chooses HELO and reverse name. Where a server lets all printable octets into them, no choice may lead to
// an address that is not the connection's.
TEST(Received, NoHeloLeadsToAnotherAddress) {
  const char* helos[] = {"[6.6.6.6]",
                         "(6.6.6.6)",
                         "x(6.6.6.6)",
                         "(y",
                         "y)",
                         "x) (y [6.6.6.6]",
                         "[6.6.6.6] (helo=x)",
                         "x (y [6.6.6.6])",
                         "(y [6.6.6.6]) by z",
                         "x (y [6.6.6.6]) by z;",
                         "x (helo=y)",
                         "from",
                         "by",
                         "x by",
                         "\"",
                         "x \\",
                         "x;",
                         "[6.6.6.6]:25",
                         "([6.6.6.6] helo=x)",
                         "x (HELO y) (6.6.6.6)",
                         "x (y [6.6.6.6]) (z",
                         "x [6.6.6.6]",
                         "x 6.6.6.6",
                         "(helo=z)",
                         "x [6.6.6.6]",
                         "x 6.6.6.6",
                         "x (y [6.6.6.6]) by z (",
                         "[6.6.6.6]) (helo=y",
                         "x (([6.6.6.6]))"};
  for (const std::string helo : helos) {
    for (const std::string& field :
         {"from " + helo + " (unknown [192.0.2.1]) by mx with SMTP (envelope-from <\"a)\"@x>) id 1; date",
          "from host ([192.0.2.1] helo=" + helo + ") by mx with esmtp id 1; date",
          "from [192.0.2.1] (helo=" + helo + ") by mx with esmtp id 1; date",
          "from unknown (HELO " + helo + ") (192.0.2.1) by mx with SMTP; date",
          "from " + helo + " (192.0.2.1) by mx (10.0.0.1) with Microsoft SMTP Server; date"}) {
      const Clause got = parse(field);
      if (got.kind == Kind::kFrom) {
        EXPECT_EQ(got.ip.text(), "192.0.2.1") << field;
      }
    }
  }
}
TEST(Received, CutAnywhereItIsNeverAnotherAddress) {
  const std::string field = "from mail (mail.example. [192.0.2.1]) (using TLS) by mx.example (Postfix) with SMTP; date";
  for (std::size_t size = 0; size < field.size(); ++size) {
    const Clause got = parse(field.substr(0, size));
    if (got.kind == Kind::kFrom) {
      EXPECT_EQ(got.ip.text(), "192.0.2.1");
    }
  }
  EXPECT_EQ(parse(std::string(4000, '(')).kind, Kind::kLocal);
  EXPECT_EQ(parse("from x " + std::string(3000, '(')).kind, Kind::kUnreadable);
}

}  // namespace
}  // namespace sekisho::received
