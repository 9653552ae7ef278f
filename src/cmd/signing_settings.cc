#include "cmd/signing_settings.h"

#include <algorithm>
#include <map>

#include "base/core/text.h"
#include "cmd/settings.h"
#include "road/identity/signing/rotation.h"

namespace sekisho::cmd {
namespace {

class RowReader {
 public:
  RowReader(const config::Values& values, std::vector<config::Problem>& problems)
      : values_(values), problems_(problems) {}

  std::optional<SigningRow> read(std::size_t index) {
    const std::string at = "signing_key[" + std::to_string(index) + "].";
    const std::size_t before = problems_.size();
    const std::string& domain = values_.text(at + "domain");
    const auto parsed = mail::Domain::parse(domain);
    if (!parsed) {
      problem(at + "domain", "\"" + core::printable(domain) + "\" is not a domain name, as in example.org");
      return {};
    }
    SigningRow row{at, line_near(values_, at + "domain"), *parsed};
    row.user = values_.text(at + "user");
    row.selector = core::to_lower(values_.text(at + "selector"));
    row.key_file = values_.text(at + "key_file");
    row.folder = values_.text(at + "key_folder");
    for (const auto& method : values_.texts(at + "methods")) (method == "dkim" ? row.dkim : row.domainkeys) = true;
    if (!row.dkim && !row.domainkeys) problem(at + "methods", "is empty, allowed: dkim|domainkeys");
    if (!row.user.empty() && !mail::Address::parse(row.user + "@" + row.domain.text()))
      problem(at + "user", "\"" + core::printable(row.user) + "\" is not a local part: without @ and the domain");
    key_of(row);
    if (problems_.size() != before) return {};
    return row;
  }

 private:
  void problem(const std::string& key, const std::string& what) {
    problems_.push_back({values_.file(), line_near(values_, key), key + ": " + what});
  }
  void key_of(const SigningRow& row) {
    if (row.selector.empty() != row.key_file.empty())
      problem(row.at + (row.selector.empty() ? "key_file" : "selector"),
              "selector and key_file go together: set both, or key_folder alone");
    if (row.selector.empty() && row.key_file.empty() && row.folder.empty())
      problem(row.at + "key_file", "there is no key: set selector and key_file, or key_folder for sekisho dkim rotate");
    if (!row.selector.empty() && !signing::record_name(row.selector, row.domain))
      problem(row.at + "selector", "\"" + core::printable(row.selector) +
                                       "\" is not a selector: labels of letters, "
                                       "digits and hyphens, as in s1");
  }

  const config::Values& values_;
  std::vector<config::Problem>& problems_;
};

bool same_folder(const SigningRow& a, const SigningRow& b) { return !a.folder.empty() && a.folder == b.folder; }

// Which key of the row signs now: that of its folder, once one does, else selector and key_file. Nothing while a folder
// has none yet.
struct KeyAtWork {
  std::string selector, file;
};
core::Result<std::optional<KeyAtWork>, std::string> key_at_work(const SigningRow& row) {
  if (!row.folder.empty()) {
    const auto state = signing::read_rotation(row.folder);
    if (!state) return core::error(state.error());
    if (*state && (*state)->domain != row.domain)
      return core::error(row.folder + ": holds the keys of " + (*state)->domain.text() + ", not of " +
                         row.domain.text() + "; give each row a folder of its own");
    const auto* signs = *state ? (*state)->find(signing::Stage::kSigning) : nullptr;
    if (signs) return std::optional<KeyAtWork>({signs->selector, signing::key_path(row.folder, signs->selector)});
  }
  if (row.selector.empty()) return std::optional<KeyAtWork>();
  return std::optional<KeyAtWork>({row.selector, row.key_file});
}

}  // namespace

std::vector<SigningRow> signing_rows(const config::Values& values, std::vector<config::Problem>& problems) {
  std::vector<SigningRow> out;
  RowReader reader(values, problems);
  for (std::size_t i = 0; i < values.count("signing_key"); ++i) {
    auto row = reader.read(i);
    if (!row) continue;
    if (std::any_of(out.begin(), out.end(), [&](const SigningRow& other) { return same_folder(other, *row); }))
      problems.push_back({values.file(), line_near(values, row->at + "key_folder"),
                          row->at + "key_folder: " + row->folder + " belongs to another row; each needs its own"});
    out.push_back(std::move(*row));
  }
  return out;
}

std::shared_ptr<const signing::KeyTable> read_signing_keys(const config::Values& values,
                                                           std::vector<config::Problem>& problems,
                                                           std::vector<config::Problem>& warnings) {
  auto table = std::make_shared<signing::KeyTable>();
  std::map<std::string, std::string> files;  // by the name of the record: one name, one key
  for (auto& row : signing_rows(values, problems)) {
    const auto tell = [&](std::vector<config::Problem>& into, std::string_view key, const std::string& what) {
      const std::string full = row.at + std::string(key);
      into.push_back({values.file(), line_near(values, full), full + ": " + what});
    };
    const auto at_work = key_at_work(row);
    if (!at_work) {
      tell(problems, "key_folder", at_work.error());
      continue;
    }
    if (!*at_work) {
      tell(warnings, "key_folder",
           "no key signs for " + row.domain.text() + " yet: run sekisho dkim rotate -c " + values.file());
      continue;
    }
    const KeyAtWork& work = **at_work;
    const bool own = work.file == row.key_file;
    if (!own && !row.selector.empty() && row.selector != work.selector)
      tell(warnings, "selector",
           "is no longer used: " + row.folder + " signs with " + work.selector + "; take selector and key_file out");
    auto file = signing::read_key_file(work.file);
    if (!file) {
      tell(problems, own ? "key_file" : "key_folder", file.error());
      continue;
    }
    for (const auto& warning : file->warnings) tell(warnings, own ? "key_file" : "key_folder", warning);
    if (row.domainkeys && file->key.type() != signature::KeyType::kRsa)
      tell(problems, "methods", "domainkeys needs an RSA key, " + work.file + " is Ed25519");
    const std::string name = work.selector + "._domainkey." + row.domain.text();
    if (const auto [at, made] = files.emplace(name, work.file); !made && at->second != work.file)
      tell(problems, own ? "selector" : "key_folder",
           name + " is the record of " + at->second + " too: each key needs a selector of its own");
    const bool subdomains = values.flag(row.at + "subdomains");
    table->add({row.domain, row.user, subdomains, row.dkim, row.domainkeys, work.selector, work.file,
                std::move(file->key), row.line});
  }
  return table;
}

}  // namespace sekisho::cmd
