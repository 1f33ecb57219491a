package main

import (
	"bytes"
	"compress/flate"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"strings"

	rtc "github.com/rtcstack/rtcstack/api"
)

// A description is encoded as a line of letters, digits, '-' and '_', so that a double click
// selects it and no program on the way changes it:
//
//	offer1-<base64url of: length (2 bytes), CRC-32 (4 bytes), compressed SDP>
//
// The length is that of all the bytes; it distinguishes a line of which a part is missing from a
// damaged one. The checksum of an answer also covers the offer, so that an answer to another offer
// is detected here, instead of by a connection that is never established.
const (
	offerPrefix  = "offer1-"
	answerPrefix = "answer1-"
	lineOverhead = 2 + 4

	// maxLine is the length at which a line is broken. A terminal accepts at most 1024 bytes of a
	// line on macOS and the BSDs and 4096 on Linux, and does not report how much it has dropped.
	// Only the description of a machine with many addresses is longer.
	maxLine = 1000
	// maxSDP bounds the size of a decompressed description, in bytes.
	maxSDP = 64 << 10
)

// dictionary contains the text that descriptions have in common, about two thirds of each. A change
// of the dictionary changes the format, and requires another number in the prefixes.
const dictionary = "a=candidate:3 1 udp 1694498815 a=candidate:2 1 udp 2126512127 fd00:: typ srflx raddr rport " +
	"v=0\r\no=- 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n" +
	"m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\n" +
	"a=candidate:1 1 udp 2130706175 192.168. typ host\r\na=end-of-candidates\r\na=ice-ufrag:\r\na=ice-pwd:\r\n" +
	"a=ice-options:trickle\r\na=fingerprint:sha-256 \r\na=setup:actpass\r\na=setup:active\r\na=mid:0\r\na=sendrecv\r\n" +
	"a=sctp-port:5000\r\na=max-message-size:262144\r\n"

var errNothingPasted = errors.New("the input ended before the other side's line was pasted")

// incompleteError is the error for a line of which a part is missing.
type incompleteError struct{ has, needs int }

func (e incompleteError) Error() string { return fmt.Sprintf("%d of %d characters", e.has, e.needs) }

// encodeLine encodes a description as a line. offer is the SDP that an answer belongs to.
func encodeLine(d rtc.SessionDescription, offer string) (string, error) {
	var packed bytes.Buffer
	packed.Write(make([]byte, lineOverhead))
	w, err := flate.NewWriterDict(&packed, flate.BestCompression, []byte(dictionary))
	if err != nil {
		return "", err
	}
	if _, err := io.WriteString(w, d.SDP); err != nil {
		return "", err
	}
	if err := w.Close(); err != nil {
		return "", err
	}
	b := packed.Bytes()
	if len(d.SDP) > maxSDP || len(b) > 1<<16-1 {
		return "", fmt.Errorf("a description of %d bytes is too long to be copied", len(d.SDP))
	}
	binary.BigEndian.PutUint16(b, uint16(len(b)))
	binary.BigEndian.PutUint32(b[2:], checksum(offer, d.SDP))
	prefix := offerPrefix
	if d.Type == rtc.DescriptionAnswer {
		prefix = answerPrefix
	}
	return wrap(prefix + base64.RawURLEncoding.EncodeToString(b)), nil
}

func checksum(offer, sdp string) uint32 {
	return crc32.Update(crc32.ChecksumIEEE([]byte(offer)), crc32.IEEETable, []byte(sdp))
}

func wrap(line string) string {
	var lines []string
	for len(line) > maxLine {
		lines, line = append(lines, line[:maxLine]), line[maxLine:]
	}
	return strings.Join(append(lines, line), "\n")
}

// beginning returns the index at which a line begins in a text; -1: there is none.
func beginning(text string) int {
	return max(strings.Index(text, offerPrefix), strings.Index(text, answerPrefix))
}

// decodeOffer decodes a line of "transfer send".
func decodeOffer(line string) (rtc.SessionDescription, error) {
	body, ok := strings.CutPrefix(line, offerPrefix)
	switch {
	case strings.HasPrefix(line, answerPrefix):
		return rtc.SessionDescription{}, errors.New(`it is a line of "transfer receive", here one of "transfer send" is needed`)
	case !ok:
		return rtc.SessionDescription{}, fmt.Errorf("it does not begin with %q", offerPrefix)
	}
	sdp, err := decodeBody(body, len(offerPrefix), "")
	return rtc.SessionDescription{Type: rtc.DescriptionOffer, SDP: sdp}, err
}

// decodeAnswer decodes a line of "transfer receive" that answers an offer.
func decodeAnswer(line, offer string) (rtc.SessionDescription, error) {
	body, ok := strings.CutPrefix(line, answerPrefix)
	switch {
	case strings.HasPrefix(line, offerPrefix):
		return rtc.SessionDescription{}, errors.New(`it is a line of "transfer send", here one of "transfer receive" is needed`)
	case !ok:
		return rtc.SessionDescription{}, fmt.Errorf("it does not begin with %q", answerPrefix)
	}
	sdp, err := decodeBody(body, len(answerPrefix), offer)
	return rtc.SessionDescription{Type: rtc.DescriptionAnswer, SDP: sdp}, err
}

// decodeBody decodes the part of a line after the prefix.
func decodeBody(body string, prefix int, offer string) (sdp string, err error) {
	// Characters at the end that do not form a whole group are ignored.
	b, err := base64.RawURLEncoding.DecodeString(body[:len(body)-len(body)%4])
	if err != nil {
		return "", errors.New("it has characters that do not belong there")
	}
	needs := 4 // characters that contain the length
	if len(b) >= 2 {
		needs = base64.RawURLEncoding.EncodedLen(max(int(binary.BigEndian.Uint16(b)), lineOverhead))
	}
	switch {
	case len(body) < needs:
		return "", incompleteError{has: prefix + len(body), needs: prefix + needs}
	case len(body) > needs:
		return "", fmt.Errorf("it has %d characters too many", len(body)-needs)
	}
	if b, err = base64.RawURLEncoding.DecodeString(body); err != nil {
		return "", errDamaged
	}
	r := flate.NewReaderDict(bytes.NewReader(b[lineOverhead:]), []byte(dictionary))
	text, err := io.ReadAll(io.LimitReader(r, maxSDP+1))
	if err != nil || len(text) > maxSDP || checksum(offer, string(text)) != binary.BigEndian.Uint32(b[2:]) {
		if offer != "" {
			return "", errOtherOffer
		}
		return "", errDamaged
	}
	return string(text), nil
}

var (
	errDamaged    = errors.New("it is damaged")
	errOtherOffer = errors.New("it is damaged, or the answer to another line")
)
