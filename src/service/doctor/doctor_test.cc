#include "service/doctor/doctor.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <set>

#include "service/doctor/probes.h"

namespace sekisho::doctor {
namespace {

TEST(Doctor, EveryCheckSpeaksBothLanguages) {
  std::set<std::string_view> codes;
  for (const Check& check : checks()) {
    EXPECT_TRUE(codes.insert(check.code).second) << check.code;
    for (const auto text : {check.title_en, check.title_ja, check.means_en, check.means_ja}) EXPECT_FALSE(text.empty());
    EXPECT_NE(check.title_ja.find_first_of("\xe3\xe4\xe5\xe6\xe7\xe8\xe9"), std::string_view::npos) << check.code;
    if (check.section == "next_hop") {
      EXPECT_FALSE(check.postfix.empty()) << check.code;
      EXPECT_FALSE(check.sendmail.empty()) << check.code;
    }
  }
  EXPECT_EQ(sections().front(), "dns");
}

TEST(Doctor, RecordsAreReadyToCopy) {
  EXPECT_EQ(tlsa_record("mx.a.example", std::string("\x01\xff", 2)), "_25._tcp.mx.a.example. IN TLSA 3 1 1 01ff");
  const std::vector<std::string> mx{"mx1.a.example", "mx2.a.example"};
  const auto lines = mta_sts_records("a.example", mx, 1'767'225'600);
  ASSERT_EQ(lines.size(), 7u);
  EXPECT_EQ(lines[0], "_mta-sts.a.example. IN TXT \"v=STSv1; id=20260101000000\"");
  EXPECT_NE(lines[1].find("https://mta-sts.a.example/.well-known/mta-sts.txt"), std::string::npos);
  EXPECT_EQ(lines[2], "version: STSv1");
  EXPECT_EQ(lines[5], "mx: mx2.a.example");
}

TEST(Probes, NoVariantIsTheTrueEnd) {
  std::set<std::string_view> seen;
  for (const auto& variant : end_variants()) {
    const std::string octets = "text" + std::string(variant.octets) + "MAIL";
    EXPECT_EQ(octets.find("\r\n.\r\n"), std::string::npos) << variant.name;
    EXPECT_NE(octets.find('.'), std::string::npos) << variant.name;
    EXPECT_TRUE(seen.insert(variant.octets).second) << variant.name;
  }
  EXPECT_GE(seen.size(), 12u);
  for (const auto& variant : content_variants()) {
    const std::string octets = std::string(variant.header) + std::string(variant.body);
    EXPECT_TRUE(variant.stray.empty() || octets.find(variant.stray) != std::string::npos) << variant.name;
  }
}

TEST(Probes, DotsAreStuffedAndTheEndStandsOnce) {
  EXPECT_EQ(dot_stuffed(".\r\na.b\r\n..c\r\n"), "..\r\na.b\r\n...c\r\n.\r\n");
  const std::string whole = dot_stuffed(marked_message("mx.a.example", "u@a.example", "doctor-1", true));
  EXPECT_EQ(whole.find("\r\n.\r\n"), whole.size() - 5);
}

TEST(Probes, ComparisonFindsEveryChange) {
  const std::string sent = marked_message("mx.a.example", "u@a.example", "doctor-1", true);
  const std::string top = "Return-Path: <>\nReceived: by hop;\n\tdate\n";
  std::string lf;
  for (const char c : sent)
    if (c != '\r') lf += c;
  EXPECT_EQ(difference(sent, top + lf), "");
  EXPECT_EQ(difference(sent, "Return-Path: <>\r\n" + sent), "");
  EXPECT_EQ(difference(sent, sent), "");
  std::string quoted = lf;
  quoted.insert(quoted.find("From here on"), ">");
  EXPECT_EQ(difference(sent, quoted), "");
  const auto changed = [&](const std::string& from, const std::string& to) {
    std::string other = lf;
    other.replace(other.find(from), from.size(), to);
    return difference(sent, top + other);
  };
  EXPECT_NE(changed("X-Folded: one\n two \n", "X-Folded: one two \n").find("header field differs"), std::string::npos);
  EXPECT_NE(changed("X-CASE:no", "X-Case: no").find("header field differs"), std::string::npos);
  EXPECT_NE(changed("trailing blanks  \t\n", "trailing blanks\n").find("the body differs"), std::string::npos);
  EXPECT_NE(changed("\n...three", "\n..three").find("the body differs"), std::string::npos);
  EXPECT_NE(changed("\xe9\x96\xa2", "=E9=96=A2").find("the body differs"), std::string::npos);
  EXPECT_NE(changed("end\n\n\n", "end\n").find("(the end)"), std::string::npos);
  EXPECT_NE(changed("From: ", "Sender: ").find("first field is gone"), std::string::npos);
  EXPECT_FALSE(difference(sent, lf + "footer\n").empty());
  EXPECT_FALSE(difference(sent, "").empty());
}

TEST(Probes, MailIsFoundInMaildirAndMbox) {
  char name[] = "/tmp/sekisho-doctor-XXXXXX";
  const std::string folder = ::mkdtemp(name);
  std::filesystem::create_directories(folder + "/new");
  std::filesystem::create_directories(folder + "/cur");
  EXPECT_FALSE(find_mail(folder, "doctor-7"));
  std::ofstream(folder + "/new/1") << "Subject: doctor-6\n\nx\n";
  std::ofstream(folder + "/cur/2") << "Subject: doctor-7\n\ny\n";
  EXPECT_EQ(find_mail(folder, "doctor-7"), "Subject: doctor-7\n\ny\n");
  const std::string mbox = folder + "/mbox";
  std::ofstream(mbox)
      << "From a Thu\nSubject: doctor-6\n\nx\n\nFrom b Thu\nSubject: doctor-7\n\ny\n\nFrom c Thu\nA: b\n\nz\n";
  EXPECT_EQ(find_mail(mbox, "doctor-7"), "Subject: doctor-7\n\ny\n");
  EXPECT_FALSE(find_mail(folder + "/absent", "doctor-7"));
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace sekisho::doctor
