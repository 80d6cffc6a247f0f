#!/usr/bin/perl
# A null FastAGI server on Net::Server::PreFork, the frame of VICIdial's own FastAGI server, with its pool sizes.
# Usage: prefork_server.pl PORT
package NullServer;

use strict;
use warnings;
use base 'Net::Server::PreFork';

my $ANSWER =
    'EXEC MSet "VAGLIO=allow:1700000000.1:01ARZ3NDEKTSV4RRFFQ69G5FAV,VAGLIO_REASON=NO_RESTRICTION,'
  . "VAGLIO_DECISION=01ARZ3NDEKTSV4RRFFQ69G5FAV\"\n";

sub process_request {
    my ($self) = @_;
    local $| = 1;
    my %headers;
    while (my $line = <STDIN>) {
        $line =~ s/\r?\n\z//;
        last if $line eq '';
        $headers{$1} = $2 if $line =~ /^(\w+):\s*(.*)$/;
    }
    print $ANSWER;
    my $reply = <STDIN>;
    return;
}

NullServer->run(
    host              => '127.0.0.1',
    port              => $ARGV[0],
    ipv               => 4,
    log_level         => 0,
    min_servers       => 3,
    max_servers       => 16,
    min_spare_servers => 2,
    max_spare_servers => 8,
    max_requests      => 1000,
    check_for_dead    => 30,
    check_for_waiting => 60,
);
