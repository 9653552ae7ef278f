#pragma once
// The reference machine: what codes a client gets for what it says, told as plainly as the RFCs tell it (5321, 3030,
// 3207) with the limits of docs/road.md. It is written from them, not from the server, and shares nothing with it.
#include <string>
#include <vector>

namespace sekisho::model {

enum class Verb { kHelo, kMail, kRcpt, kData, kBdat, kRset, kQuit, kNoop, kVrfy, kHelp, kTls, kAlien };
// code: what the command gets where the state of the session allows it; 0 where the state alone decides.
struct Command {
  std::string text;
  Verb verb;
  int code;
  bool ends = false;  // the session ends with it in any case
};

struct Machine {
  bool starttls = false, chunking = false;
  int mail_max = 1 << 30;

  bool helo = false, tls = false, mail = false, tried = false, chunked = false, failed = false, over = false;
  int accepted = 0, errors = 0, unknown = 0, junk = 0, mails = 0;
  std::vector<int> codes;

  void say(int code) { codes.push_back(code); }
  void end(int code) { say(code), over = true; }
  void error(int code) {
    say(code);
    if (++errors == 20) end(421);
  }
  void small(int code) { ++junk == 100 ? end(421) : say(code); }  // what brings no mail
  void reset() { mail = tried = chunked = failed = false, accepted = 0; }
  void took_message() { reset(), say(250), junk = 0, errors /= 2, unknown /= 2; }

  // behind: octets came in the same packet behind this command.
  void step(const Command& c, bool behind) {
    if (c.ends) return end(c.code);
    const bool by_state = c.verb == Verb::kMail || c.verb == Verb::kRcpt || c.verb == Verb::kData;
    if (c.code >= 500 && !by_state) return error(c.code);
    switch (c.verb) {
      case Verb::kHelo:
        return reset(), helo ? small(250) : say(250), void(helo = true);
      case Verb::kMail:
        return mail_from(c.code);
      case Verb::kRcpt:
        return rcpt_to(c.code);
      case Verb::kData:
        return data(c.code, behind);
      case Verb::kTls:
        return start_tls(behind);
      case Verb::kRset:
        return reset(), small(250);
      default:
        return small(c.code);
    }
  }
  void mail_from(int code) {
    if (++mails > mail_max) return end(421);
    if (!helo) return error(503);
    if (mail || failed) return error(503);
    if (code >= 500) return error(code);
    say(code), mail = code == 250;
  }
  void rcpt_to(int code) {
    if (!mail || chunked) return error(503);
    tried = true;
    if (code == 501 || code == 555) return error(code);
    if (accepted == 5) return say(452);
    if (code == 551) return say(550), ++unknown == 20 ? end(421) : void();  // 551 here: nobody lives there
    code >= 500 ? error(code) : say(code);
    accepted += code == 250;
  }
  // 0: as it should be; 501: with an argument.
  void data(int argument, bool behind) {
    const int code = !mail || chunked || !tried ? 503 : argument ? argument : accepted == 0 ? 554 : 354;
    if (chunked) reset(), failed = true;
    if (code == 354) return say(354);
    behind ? end(code) : error(code);
  }
  void message(bool clean) { clean ? took_message() : (reset(), end(550)); }
  void start_tls(bool behind) {
    if (!starttls) return error(502);
    if (tls || !helo) return error(503);
    if (behind) return end(554);
    say(220), reset(), tls = true, helo = false;
  }
  void chunk(bool last, bool empty, bool clean) {
    if (!chunking) return end(502);
    if (!helo) return error(503);
    if (failed) return void(failed = !last), small(503);
    if (!mail) return error(503);
    const int refusal = !tried ? 503 : accepted == 0 ? 554 : !clean ? 550 : 0;
    if (refusal) return reset(), void(failed = !last), error(refusal);
    if (last) return took_message();
    chunked = true;
    empty ? small(250) : say(250);
  }
};

}  // namespace sekisho::model
