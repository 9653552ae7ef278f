#include "mail/address/mailbox.h"

#include <algorithm>
#include <array>
#include <span>
#include <utility>

#include "base/core/text.h"
#include "mail/address/lexer.h"
#include "mail/address/utf8.h"

namespace sekisho::mail {
namespace {

constexpr std::array<std::string_view, static_cast<std::size_t>(Oddity::kCount)> kWords = {"too_complex",
                                                                                           "nul",
                                                                                           "control",
                                                                                           "raw_iso_2022_jp",
                                                                                           "unclosed_quote",
                                                                                           "unclosed_comment",
                                                                                           "unclosed_angle",
                                                                                           "unclosed_literal",
                                                                                           "unclosed_group",
                                                                                           "stray_closer",
                                                                                           "stray_backslash",
                                                                                           "stray_semicolon",
                                                                                           "empty_element",
                                                                                           "two_angles",
                                                                                           "text_after_angle",
                                                                                           "missing_angle",
                                                                                           "at_in_name",
                                                                                           "two_ats",
                                                                                           "missing_address",
                                                                                           "bad_address",
                                                                                           "literal",
                                                                                           "comment_in_address",
                                                                                           "space_in_address",
                                                                                           "route",
                                                                                           "at_in_quoted_local",
                                                                                           "quoted_pair",
                                                                                           "group",
                                                                                           "empty_group",
                                                                                           "non_ascii",
                                                                                           "raw_8bit"};

using Tokens = std::span<const Token>;

bool is_word(const Token& token) { return token.kind == TokenKind::kAtom || token.kind == TokenKind::kQuoted; }

void append_words(std::string& out, const std::string& more) {
  if (!out.empty() && !more.empty()) out.push_back(' ');
  out.append(more);
}

// The words of a phrase as a reader shows them. RFC 5322 section 4.1 obs-phrase: dots are allowed.
std::string phrase(Tokens tokens) {
  std::string out;
  for (const Token& token : tokens) {
    if (token.kind == TokenKind::kComment) continue;
    if (token.space_before && !out.empty()) out.push_back(' ');
    out.append(meaning(token));
  }
  return out;
}

std::string comments(Tokens tokens) {
  std::string out;
  for (const Token& token : tokens) {
    if (token.kind == TokenKind::kComment) append_words(out, meaning(token));
  }
  return out;
}

class Parser {
 public:
  Parser(std::string_view value, core::Budget& budget, Escapes escapes) : budget_(budget) {
    const bool mask = escapes == Escapes::kJapanese && value.find("\x1b$") != std::string_view::npos;
    if (mask) mask_ = masked(value);
    tokens_ = tokenize(value, mask ? std::string_view(mask_) : value, budget, list_.oddities);
    if (!core::is_ascii(value) && !is_utf8(value)) note(Oddity::kRaw8bit);
  }

  MailboxList run() {
    std::size_t start = 0;
    bool angle = false;
    for (std::size_t i = 0; i < tokens_.size() && !full_; ++i) {
      const Token& token = tokens_[i];
      if (token.is('<')) angle = true;
      if (token.is('>')) angle = false;
      if (angle) continue;
      if (token.is(':')) {
        open_group(part(start, i));
      } else if (token.is(';')) {
        close_group(part(start, i));
      } else if (token.is(',')) {
        element(part(start, i), true);
      } else {
        continue;
      }
      start = i + 1;
    }
    if (!full_) finish(part(start, tokens_.size()));
    return std::move(list_);
  }

 private:
  Tokens part(std::size_t start, std::size_t end) const { return Tokens(tokens_).subspan(start, end - start); }
  void note(Oddity oddity) { list_.oddities.set(oddity); }

  void open_group(Tokens name) {
    if (in_group_) note(Oddity::kUnclosedGroup);
    in_group_ = true;
    members_ = 0;
    note(Oddity::kGroup);
    list_.group_names.push_back(phrase(name));
    append_words(list_.group_names.back(), comments(name));
  }

  void close_group(Tokens last) {
    element(last, members_ > 0);
    if (!in_group_) note(Oddity::kStraySemicolon);
    if (in_group_ && members_ == 0) note(Oddity::kEmptyGroup);
    in_group_ = false;
    after_group_ = true;
  }

  void finish(Tokens last) {
    if (in_group_) note(Oddity::kUnclosedGroup);
    const bool empty_list = list_.mailboxes.empty() && list_.group_names.empty() && !seen_comma_;
    element(last, !empty_list && !after_group_);
  }

  // One element between commas. must_exist: an empty one is worth a note.
  void element(Tokens tokens, bool must_exist) {
    const bool after_group = std::exchange(after_group_, false);
    seen_comma_ = true;
    const bool empty =
        std::all_of(tokens.begin(), tokens.end(), [](const Token& token) { return token.kind == TokenKind::kComment; });
    if (empty) {
      if (must_exist && !after_group) note(Oddity::kEmptyElement);
      // RFC 5322 section 3.4: a group-list may be CFWS alone, "undisclosed-recipients:(nobody);".
      if (!tokens.empty() && list_.mailboxes.empty() && !in_group_) loose_comments(tokens);
      return;
    }
    const auto open = std::find_if(tokens.begin(), tokens.end(), [](const Token& token) { return token.is('<'); });
    if (open == tokens.end()) {
      bare(tokens);
    } else {
      angles(tokens, static_cast<std::size_t>(open - tokens.begin()));
    }
  }

  void loose_comments(Tokens tokens) {
    Mailbox box;
    box.comment = comments(tokens);
    note(Oddity::kMissingAddress);
    add(std::move(box));
  }

  // "phrase <addr-spec>", and what goes wrong around it.
  void angles(Tokens tokens, std::size_t open) {
    Mailbox box;
    const Tokens name = tokens.subspan(0, open);
    check_name(name);
    box.display_name = phrase(name);
    box.comment = comments(tokens);
    while (true) {
      const Tokens rest = tokens.subspan(open + 1);
      const auto end = std::find_if(rest.begin(), rest.end(), [](const Token& token) { return token.is('>'); });
      if (end == rest.end()) note(Oddity::kUnclosedAngle);
      address(rest.subspan(0, static_cast<std::size_t>(end - rest.begin())), box, true);
      add(std::move(box));
      if (end == rest.end() || full_) return;
      tokens = rest.subspan(static_cast<std::size_t>(end - rest.begin()) + 1);
      const auto next = std::find_if(tokens.begin(), tokens.end(), [](const Token& token) { return token.is('<'); });
      open = static_cast<std::size_t>(next - tokens.begin());
      box = Mailbox{};
      box.display_name = phrase(tokens.subspan(0, open));
      if (!box.display_name.empty()) note(Oddity::kTextAfterAngle);
      if (next == tokens.end()) return keep_trailing(box.display_name);
      note(Oddity::kTwoAngles);
    }
  }

  void keep_trailing(const std::string& text) { append_words(list_.mailboxes.back().comment, text); }

  void check_name(Tokens name) {
    for (const Token& token : name) {
      const bool bracketed =
          token.kind == TokenKind::kLiteral && token.text.find_first_of("<@,;:\"(") != token.text.npos;
      if (token.is('@') || bracketed) note(Oddity::kAtInName);
      if (token.is('>')) note(Oddity::kStrayCloser);
    }
  }

  // An element without '<': an addr-spec, or words that are none.
  void bare(Tokens tokens) {
    Mailbox box;
    box.comment = comments(tokens);
    while (!tokens.empty() && tokens.front().kind == TokenKind::kComment) tokens = tokens.subspan(1);
    while (!tokens.empty() && tokens.back().kind == TokenKind::kComment) tokens = tokens.first(tokens.size() - 1);
    const auto at = std::find_if(tokens.begin(), tokens.end(), [](const Token& token) { return token.is('@'); });
    if (at == tokens.end()) {
      note(Oddity::kMissingAddress);
      box.display_name = phrase(tokens);
    } else {
      const std::size_t start = local_start(tokens, static_cast<std::size_t>(at - tokens.begin()));
      if (start > 0) note(Oddity::kMissingAngle);
      box.display_name = phrase(tokens.subspan(0, start));
      address(tokens.subspan(start), box, false);
    }
    add(std::move(box));
  }

  // "name a . b@c": the local part reaches back over words joined by dots.
  static std::size_t local_start(Tokens tokens, std::size_t at) {
    std::size_t start = at;
    bool joined = true;  // what stands at start is '@' or '.', so a word may come before it
    while (start > 0) {
      const Token& token = tokens[start - 1];
      if (token.kind == TokenKind::kComment) {
        --start;
        continue;
      }
      if (!is_word(token) && !token.is('.')) break;
      if (!joined && !token.is('.')) break;
      joined = token.is('.');
      --start;
    }
    while (start < at && tokens[start].kind == TokenKind::kComment) ++start;
    return start;
  }

  // What stands between '<' and '>' or alone: route, local part, '@', domain or literal.
  void address(Tokens tokens, Mailbox& box, bool angle) {
    if (!tokens.empty() && tokens.front().is('@')) tokens = skip_route(tokens);
    std::size_t ats = 0;
    const Token* before = nullptr;
    for (const Token& token : tokens) {
      if (token.kind == TokenKind::kComment) {
        if (angle || (before && before != &tokens.back())) note(Oddity::kCommentInAddress);
        continue;
      }
      if (token.is('@')) ++ats;
      if (before && token.space_before) note(Oddity::kSpaceInAddress), box.addr_spec.push_back(' ');
      if (ats == 0 && token.kind == TokenKind::kQuoted) check_quoted_local(token.shape);
      append(token, box.addr_spec);
      before = &token;
    }
    if (ats == 0) return note(Oddity::kMissingAddress), move_to_name(box);
    if (ats > 1) note(Oddity::kTwoAts);
    judge(tokens, box);
  }

  static void append(const Token& token, std::string& out) {
    for (char c : token.text) {
      if (c != '\r' && c != '\n') out.push_back(c);
    }
  }

  // "<admin>": readers show it beside the name, or complete it with a domain of their own.
  static void move_to_name(Mailbox& box) {
    append_words(box.display_name, box.addr_spec);
    box.addr_spec.clear();
  }

  Tokens skip_route(Tokens tokens) {
    note(Oddity::kRoute);
    const auto colon = std::find_if(tokens.begin(), tokens.end(), [](const Token& token) { return token.is(':'); });
    if (colon == tokens.end()) return tokens;
    return tokens.subspan(static_cast<std::size_t>(colon - tokens.begin()) + 1);
  }

  void check_quoted_local(std::string_view quoted) {
    if (quoted.find('\\') != quoted.npos) note(Oddity::kQuotedPair);
    if (quoted.find_first_of("@<>,") != quoted.npos) note(Oddity::kAtInQuotedLocal);
  }

  void judge(Tokens tokens, Mailbox& box) {
    if (!core::is_ascii(box.addr_spec)) note(Oddity::kNonAscii);
    const Token* last = nullptr;
    for (const Token& token : tokens) {
      if (token.kind != TokenKind::kComment) last = &token;
    }
    if (last && last->kind == TokenKind::kLiteral) return note(Oddity::kLiteral);
    std::string compact;
    for (const Token& token : tokens) {
      if (token.kind != TokenKind::kComment) append(token, compact);
    }
    auto parsed = Address::parse(compact);
    if (!parsed || words_run_together(tokens)) return note(Oddity::kBadAddress);
    box.address = std::move(*parsed);
  }

  // "a b@c": two words with only a space or a comment between them are never one local part or domain.
  static bool words_run_together(Tokens tokens) {
    bool word = false, gap = false;
    for (const Token& token : tokens) {
      gap = gap || token.space_before || token.kind == TokenKind::kComment;
      if (token.kind == TokenKind::kComment) continue;
      if (word && gap && is_word(token)) return true;
      word = is_word(token);
      gap = false;
    }
    return false;
  }

  void add(Mailbox box) {
    if (!budget_.take_part() || !budget_.take_octets(sizeof(Mailbox))) {
      note(Oddity::kTooComplex);
      full_ = true;
      return;
    }
    box.in_group = in_group_;
    if (in_group_) ++members_;
    list_.mailboxes.push_back(std::move(box));
  }

  core::Budget& budget_;
  std::string mask_;
  std::vector<Token> tokens_;
  MailboxList list_;
  std::size_t members_ = 0;
  bool in_group_ = false, after_group_ = false, seen_comma_ = false, full_ = false;
};

}  // namespace

std::string_view word(Oddity oddity) { return kWords[static_cast<std::size_t>(oddity)]; }

std::string Oddities::words() const {
  std::string out;
  for (unsigned i = 0; i < kWords.size(); ++i) {
    if (!has(static_cast<Oddity>(i))) continue;
    if (!out.empty()) out.push_back(',');
    out.append(kWords[i]);
  }
  return out;
}

MailboxList parse_mailboxes(std::string_view value, core::Budget& budget, Escapes escapes) {
  return Parser(value, budget, escapes).run();
}

}  // namespace sekisho::mail
