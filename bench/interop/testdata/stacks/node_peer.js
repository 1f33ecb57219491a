// A stack that is an npm package: node node_peer.js STACK (trickle|whole) ADDRESS…
'use strict';
const readline = require('node:readline');
const {Peer, handle} = require('./w3c_peer.js');

function tell(message) { process.stdout.write(JSON.stringify(message) + '\n'); }

const makers = {
  werift: ({addresses, whole}) => {
    const {RTCPeerConnection} = require('werift');
    // By default it gathers no loopback addresses.
    const configuration = {iceServers: [], iceAdditionalHostAddresses: addresses, iceUseIpv6: addresses.length > 1};
    return new Peer({RTCPeerConnection, configuration, whole, tell});
  },
  libwebrtc: ({whole}) => {
    const {RTCPeerConnection} = require('@roamhq/wrtc');
    return new Peer({RTCPeerConnection, configuration: {iceServers: []}, whole, tell, unset: 65535});
  },
  libdatachannel: ({addresses, whole}) => {
    const {LibdatachannelPeer} = require('./libdatachannel.js');
    return new LibdatachannelPeer({addresses, whole, tell});
  },
};

const [stack, candidates, ...addresses] = process.argv.slice(2);
const peer = makers[stack]({addresses, whole: candidates === 'whole'});
readline.createInterface({input: process.stdin})
  .on('line', (line) => handle(peer, JSON.parse(line), tell))
  .on('close', () => process.exit(0));
