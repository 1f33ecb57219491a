package deflate

// dynamicHeader reads the next part of the header of a block with dynamic codes. blocked reports
// whether it needs more bits than there are.
//
// RFC 1951, section 3.2.7.
func (d *Decompressor) dynamicHeader() (blocked bool, err error) {
	switch d.state {
	case stateDynamic:
		if d.nbits < 14 {
			return true, nil
		}
		return false, d.dynamicSizes()
	case stateCodeLengths:
		return d.codeLengthCode()
	default: // stateLengths
		done, err := d.lengths()
		if !done || err != nil {
			return true, err
		}
		return false, d.dynamicTables()
	}
}

// dynamicSizes reads HLIT, HDIST and HCLEN.
func (d *Decompressor) dynamicSizes() error {
	d.nLitLen = int(d.take(5)) + 257
	d.nDistance = int(d.take(5)) + 1
	d.nCodeLength = int(d.take(4)) + 4
	if d.nLitLen > maxLitLenSymbols || d.nDistance > maxDistanceSymbols {
		return ErrCorrupt
	}
	d.tables = tablesPool.Get().(*tables)
	clear(d.tables.lengths[:len(codeLengthOrder)])
	d.have = 0
	d.state = stateCodeLengths
	return nil
}

// codeLengthCode reads the lengths of the code length code, and makes its table.
func (d *Decompressor) codeLengthCode() (blocked bool, err error) {
	for d.have < d.nCodeLength && d.nbits >= 3 {
		d.tables.lengths[codeLengthOrder[d.have]] = uint8(d.take(3))
		d.have++
	}
	if d.have < d.nCodeLength {
		return true, nil
	}
	if !buildTable(d.tables.codeLengths(), codeLengthBits, d.tables.lengths[:len(codeLengthOrder)], codeLengthMeaning[:]) {
		return false, ErrCorrupt
	}
	d.have = 0
	d.state = stateLengths
	return false, nil
}

// lengths reads the lengths of the two codes. It reports whether they are complete.
func (d *Decompressor) lengths() (done bool, err error) {
	table, lengths := d.tables.codeLengths(), d.tables.lengths[:d.nLitLen+d.nDistance]
	for d.have < len(lengths) {
		e := table[d.hold&(1<<codeLengthBits-1)]
		symbol, n := e.value(), e.length()
		if n > d.nbits {
			return false, nil
		}
		if symbol < 16 {
			d.take(n)
			lengths[d.have] = uint8(symbol)
			d.have++
			continue
		}
		extra, first := uint(2), 3
		switch symbol {
		case 17:
			extra = 3
		case 18:
			extra, first = 7, 11
		}
		if n+extra > d.nbits {
			return false, nil
		}
		d.take(n)
		repeat := first + int(d.take(extra))
		var length uint8
		if symbol == 16 {
			if d.have == 0 {
				return false, ErrCorrupt // nothing before it
			}
			length = lengths[d.have-1]
		}
		if repeat > len(lengths)-d.have {
			return false, ErrCorrupt
		}
		for range repeat {
			lengths[d.have] = length
			d.have++
		}
	}
	return true, nil
}

func (d *Decompressor) dynamicTables() error {
	t := d.tables
	if t.lengths[endOfBlock] == 0 ||
		!buildTable(t.litLen[:], litLenTableBits, t.lengths[:d.nLitLen], litLenMeaning[:]) ||
		!buildTable(t.distance[:], distanceTableBits, t.lengths[d.nLitLen:d.nLitLen+d.nDistance], distanceMeaning[:]) {
		return ErrCorrupt
	}
	d.litLen, d.dist = t.litLen[:], t.distance[:]
	d.state = stateCodes
	return nil
}

// header reads BFINAL and BTYPE, and begins a block.
//
// RFC 1951, section 3.2.3.
func (d *Decompressor) header() error {
	d.final = d.take(1) == 1
	switch d.take(2) {
	case 0:
		// RFC 1951, section 3.2.4: "Any bits of input up to the next byte boundary are ignored."
		d.take(d.nbits & 7)
		d.state = stateStoredSize
	case 1:
		d.litLen, d.dist = fixedLitLen[:], fixedDistance[:]
		d.state = stateCodes
	case 2:
		d.state = stateDynamic
	default:
		return ErrCorrupt
	}
	return nil
}

// endBlock ends a block. A message may continue after a final block, with a new stream at a byte
// boundary.
//
// RFC 7692, section 7.2.3.4.
func (d *Decompressor) endBlock() {
	d.releaseTables()
	d.state = stateHeader
	if d.final {
		d.take(d.nbits & 7)
		d.state = stateAfterFinal
	}
}

// storedSize reads LEN and NLEN of a stored block.
//
// RFC 1951, section 3.2.4.
func (d *Decompressor) storedSize() error {
	size := d.take(32)
	if size&0xffff != ^size>>16&0xffff {
		return ErrCorrupt
	}
	d.stored = int(size & 0xffff)
	d.state = stateStored
	return nil
}

// copyStored copies bytes of a stored block to dst.
func (d *Decompressor) copyStored(dst, src []byte, limit int) ([]byte, []byte, error) {
	room := d.stored
	if limit >= 0 {
		room = min(room, max(0, limit-len(dst)))
	}
	for d.nbits > 0 && room > 0 {
		dst = append(dst, byte(d.take(8)))
		d.stored--
		room--
	}
	n := min(room, len(src))
	dst = append(dst, src[:n]...)
	d.stored -= n
	if d.stored > 0 && room == n && (len(src) > n || d.nbits > 0) {
		return dst, nil, ErrTooLarge
	}
	return dst, src[n:], nil
}
