#!/usr/bin/perl
# Mail::DKIM as a program: a request a line, an answer a line, no network.
#   request: dkim|arc TAB strict (1 or 0) TAB epoch TAB mail TAB key record, both in hexadecimal; the record is there under any name
#   answer:  result TAB text; "crash" is an exception that leaves the package
# dkim judges DomainKey-Signature fields, too.
use strict;
use warnings;

our $now;
BEGIN { *CORE::GLOBAL::time = sub { $now // CORE::time() } }
use Mail::DKIM;
use Mail::DKIM::DNS;
use Mail::DKIM::Verifier;
use Mail::DKIM::ARC::Verifier;

{
    package Row;
    sub type { 'TXT' }
    sub txtdata { $_[0]{text} }
    sub char_str_list { $_[0]{text} }
}

my $record;
{
    no warnings 'redefine';
    *Mail::DKIM::DNS::query = sub {
        $@ = length $record ? 'NOERROR' : 'NXDOMAIN';
        return length $record ? bless {text => $record}, 'Row' : ();
    };
}

$| = 1;
$SIG{__WARN__} = sub { };
while (my $line = <STDIN>) {
    chomp $line;
    (my ($kind, $strict, $epoch, $mail), $record) = split /\t/, $line, -1;
    $_ = pack 'H*', $_ for $mail, $record;
    $now = $epoch;
    my $class = $kind eq 'arc' ? 'Mail::DKIM::ARC::Verifier' : 'Mail::DKIM::Verifier';
    my ($result, $text) = eval {
        my $verifier = $class->new(Strict => $strict);
        $verifier->PRINT($mail);
        $verifier->CLOSE;
        ($verifier->result // 'undefined', $verifier->result_detail // '');
    };
    ($result, $text) = ('crash', $@) if !defined $result;
    $text =~ s/[^ -~]+/ /g;
    print "$result\t$text\n";
}
