;; Looks for the words of a WordTable (src/rules/search/words.ts tells what that is, and how it is laid out here).
;; scanners/word-search.ts is made of it: npm run web-assembly.
;;
;; Memory: the filter, slots, uses and rows (a WordTable's image), the output (8 bytes a hit: row, and address of its first compared byte),
;; and the bytes to be searched.
(module
  (import "table" "memory" (memory 1))
  ;; from one word to the next: 4 or 8
  (import "table" "stride" (global $stride i32))
  ;; the upper bits of a hash, times 8, are the address of a word's 64-bit block of the filter
  (import "table" "filterShift" (global $filterShift i32))
  (import "table" "slots" (global $slots i32))
  (import "table" "slotShift" (global $slotShift i32))
  (import "table" "slotMask" (global $slotMask i32))
  (import "table" "rows" (global $rows i32))
  ;; of eight bytes, those that a use compares
  (import "table" "mask" (global $mask i64))
  (import "table" "out" (global $out i32))
  (import "table" "outEnd" (global $outEnd i32))

  ;; where to go on when the output was full; `to` when all was looked at
  (global $next (export "next") (mut i32) (i32.const 0))

  ;; The words that begin at address `at` up to `to`, of bytes that lie from `low` to `high`; returns the end of the output.
  (func (export "search")
    (param $at i32) (param $to i32) (param $low i32) (param $high i32) (result i32)
    (local $last i32) (local $one i32) (local $two i32) (local $three i32) (local $hits i32) (local $before i32) (local $shift i32)
    (local $word i32) (local $bits i32) (local $block i64)
    (local $a i64) (local $b i64) (local $c i64) (local $d i64)
    (local.set $hits (global.get $out))
    (local.set $shift (global.get $filterShift))
    (local.set $one (global.get $stride))
    (local.set $two (i32.shl (local.get $one) (i32.const 1)))
    (local.set $three (i32.add (local.get $one) (local.get $two)))
    (local.set $last (i32.sub (local.get $to) (local.get $three)))
    (block $full
      (loop $four
        (if (i32.lt_s (local.get $at) (local.get $last))
          (then
            ;; in the filter: two bits of the block, told by another hash; shifts take their count modulo 64
            (local.set $word (i32.or (i32.load (local.get $at)) (i32.const 0x20202020)))
            (local.set $bits (i32.mul (local.get $word) (i32.const 0x85ebca6b)))
            (local.set $block (i64.load
              (i32.and (i32.shr_u (i32.mul (local.get $word) (i32.const 0x9e3779b1)) (local.get $shift)) (i32.const -8))))
            (local.set $a (i64.and
              (i64.shr_u (local.get $block) (i64.extend_i32_u (i32.shr_u (local.get $bits) (i32.const 26))))
              (i64.shr_u (local.get $block) (i64.extend_i32_u (i32.shr_u (local.get $bits) (i32.const 20))))))

            (local.set $word (i32.or (i32.load (i32.add (local.get $at) (local.get $one))) (i32.const 0x20202020)))
            (local.set $bits (i32.mul (local.get $word) (i32.const 0x85ebca6b)))
            (local.set $block (i64.load
              (i32.and (i32.shr_u (i32.mul (local.get $word) (i32.const 0x9e3779b1)) (local.get $shift)) (i32.const -8))))
            (local.set $b (i64.and
              (i64.shr_u (local.get $block) (i64.extend_i32_u (i32.shr_u (local.get $bits) (i32.const 26))))
              (i64.shr_u (local.get $block) (i64.extend_i32_u (i32.shr_u (local.get $bits) (i32.const 20))))))

            (local.set $word (i32.or (i32.load (i32.add (local.get $at) (local.get $two))) (i32.const 0x20202020)))
            (local.set $bits (i32.mul (local.get $word) (i32.const 0x85ebca6b)))
            (local.set $block (i64.load
              (i32.and (i32.shr_u (i32.mul (local.get $word) (i32.const 0x9e3779b1)) (local.get $shift)) (i32.const -8))))
            (local.set $c (i64.and
              (i64.shr_u (local.get $block) (i64.extend_i32_u (i32.shr_u (local.get $bits) (i32.const 26))))
              (i64.shr_u (local.get $block) (i64.extend_i32_u (i32.shr_u (local.get $bits) (i32.const 20))))))

            (local.set $word (i32.or (i32.load (i32.add (local.get $at) (local.get $three))) (i32.const 0x20202020)))
            (local.set $bits (i32.mul (local.get $word) (i32.const 0x85ebca6b)))
            (local.set $block (i64.load
              (i32.and (i32.shr_u (i32.mul (local.get $word) (i32.const 0x9e3779b1)) (local.get $shift)) (i32.const -8))))
            (local.set $d (i64.and
              (i64.shr_u (local.get $block) (i64.extend_i32_u (i32.shr_u (local.get $bits) (i32.const 26))))
              (i64.shr_u (local.get $block) (i64.extend_i32_u (i32.shr_u (local.get $bits) (i32.const 20))))))

            (if (i32.and (i32.wrap_i64
                  (i64.or (i64.or (local.get $a) (local.get $b)) (i64.or (local.get $c) (local.get $d)))) (i32.const 1))
              (then
                (if (i32.and (i32.wrap_i64 (local.get $a)) (i32.const 1)) (then
                  (local.set $hits (call $word (local.get $at) (local.get $low) (local.get $high) (local.tee $before (local.get $hits))))
                  (br_if $full (i32.lt_s (local.get $hits) (i32.const 0)))))
                (local.set $at (i32.add (local.get $at) (local.get $one)))
                (if (i32.and (i32.wrap_i64 (local.get $b)) (i32.const 1)) (then
                  (local.set $hits (call $word (local.get $at) (local.get $low) (local.get $high) (local.tee $before (local.get $hits))))
                  (br_if $full (i32.lt_s (local.get $hits) (i32.const 0)))))
                (local.set $at (i32.add (local.get $at) (local.get $one)))
                (if (i32.and (i32.wrap_i64 (local.get $c)) (i32.const 1)) (then
                  (local.set $hits (call $word (local.get $at) (local.get $low) (local.get $high) (local.tee $before (local.get $hits))))
                  (br_if $full (i32.lt_s (local.get $hits) (i32.const 0)))))
                (local.set $at (i32.add (local.get $at) (local.get $one)))
                (if (i32.and (i32.wrap_i64 (local.get $d)) (i32.const 1)) (then
                  (local.set $hits (call $word (local.get $at) (local.get $low) (local.get $high) (local.tee $before (local.get $hits))))
                  (br_if $full (i32.lt_s (local.get $hits) (i32.const 0)))))
                (local.set $at (i32.add (local.get $at) (local.get $one)))
                (br $four)))
            (local.set $at (i32.add (local.get $at) (i32.shl (local.get $two) (i32.const 1))))
            (br $four))))
      ;; fewer than four are left
      (loop $one
        (if (i32.lt_s (local.get $at) (local.get $to))
          (then
            (local.set $hits (call $word (local.get $at) (local.get $low) (local.get $high) (local.tee $before (local.get $hits))))
            (br_if $full (i32.lt_s (local.get $hits) (i32.const 0)))
            (local.set $at (i32.add (local.get $at) (local.get $one)))
            (br $one))))
      (local.set $before (local.get $hits)))
    (global.set $next (local.get $at))
    (local.get $before))

  ;; The rows of which the word at `at` is one, into the output from `hits` on; returns its new end, or -1 where there is no room for them all.
  (func $word (param $at i32) (param $low i32) (param $high i32) (param $hits i32) (result i32)
    (local $word i32) (local $slot i32) (local $key i32) (local $use i32) (local $end i32) (local $index i32)
    (local $start i32) (local $row i32)
    (local.set $word (i32.or (i32.load (local.get $at)) (i32.const 0x20202020)))
    (local.set $slot (i32.shr_u (i32.mul (local.get $word) (i32.const 0x9e3779b1)) (global.get $slotShift)))
    ;; slots, 16 bytes each: a word (0: free), and where its uses begin and end
    (block $found
      (loop $probe
        (local.set $row (i32.add (global.get $slots) (i32.shl (local.get $slot) (i32.const 4))))
        (local.set $key (i32.load (local.get $row)))
        (br_if $found (i32.eq (local.get $key) (local.get $word)))
        (if (i32.eqz (local.get $key)) (then (return (local.get $hits))))
        (local.set $slot (i32.and (i32.add (local.get $slot) (i32.const 1)) (global.get $slotMask)))
        (br $probe)))
    (local.set $use (i32.load offset=4 (local.get $row)))
    (local.set $end (i32.load offset=8 (local.get $row)))
    ;; uses, 16 bytes each: the first folded bytes of a row, then the row's index times eight plus where in it the word begins
    (loop $uses
      (local.set $index (i32.load offset=8 (local.get $use)))
      (local.set $start (i32.sub (local.get $at) (i32.and (local.get $index) (i32.const 7))))
      (if (i64.eq
            (i64.and
              (i64.or (i64.load (local.get $start)) (i64.const 0x2020202020202020))
              (global.get $mask))
            (i64.load (local.get $use)))
        (then
          ;; rows, 48 bytes each: sixteen values and masks, known bytes before it, bytes in all
          (local.set $index (i32.shr_u (local.get $index) (i32.const 3)))
          (local.set $row (i32.add (global.get $rows) (i32.mul (local.get $index) (i32.const 48))))
          (local.set $start (i32.sub (local.get $start) (i32.load offset=32 (local.get $row))))
          (if (i32.and
                (i32.ge_s (local.get $start) (local.get $low))
                (i32.le_s (i32.add (local.get $start) (i32.load offset=36 (local.get $row))) (local.get $high)))
            (then
              (if (i8x16.all_true (i8x16.eq
                    (v128.and (v128.load (local.get $start)) (v128.load offset=16 (local.get $row)))
                    (v128.load (local.get $row))))
                (then
                  (if (i32.ge_u (local.get $hits) (global.get $outEnd)) (then (return (i32.const -1))))
                  (i32.store (local.get $hits) (local.get $index))
                  (i32.store offset=4 (local.get $hits) (local.get $start))
                  (local.set $hits (i32.add (local.get $hits) (i32.const 8)))))))))
      (local.set $use (i32.add (local.get $use) (i32.const 16)))
      (br_if $uses (i32.lt_u (local.get $use) (local.get $end))))
    (local.get $hits)))
