"""Word lists shared by the families. Data only."""

COMMON = """
able acid acre age air ant apple arch area arm army art ash atom aunt axe baby back bag ball band bank bark barn base
bath bay beach bean bear beat bed bee bell belt bench bike bill bird boat body bolt bone book boot bowl box boy brain
brick brush bull bus cable cake calf call camp canal candle cap car card cart case cat cave chain chair chalk cheek
cheese chess chin city claw clay cliff clock cloud coal coat coin comb cook copper coral corn cotton cow crab crane
crop crow crown cup cure curve dawn day deck deer desert desk dial diet dish dock dog door dove draft dream dress drum
duck dust eagle ear earth east edge egg elbow engine face fact farm fence fern field fig film fire fish flag flame
flock flour flute fog foot fork fort fox frame frog fruit fur gate gem ghost gift glass glove goat gold grain grape
grass guest guide gull hair hall ham hand harp hat hawk heart heel herb hill hinge honey hook horn horse hotel house
ice idea inch ink iron island ivory jacket jar jaw jewel juice jury key king kite knee knife knot lake lamb lamp lane
law leaf leg lemon letter lid light lily lime line lion lip list lock log loom lunch lung map maple mask mast meal
metal milk mill mind mint mist mole moon moss moth mouse mouth mud mule nail name neck needle nest net night north
nose note nut oak ocean office oil olive onion orange oven owl ox page paint palm pan paper park path pea peach pear
pearl pen pepper piano pig pin pine pipe plain plane plant plate plum pond pony pool post potato prize quail queen
quilt rabbit rail rain ranch rat reed rice ring river road robe rock roof room root rope rose rug rule salad salt sand
scarf school sea seal seed shade shark sheep shelf shell ship shirt shoe shop silk silver sink skirt sky smoke snail
snow soap sock soil song soup south spice spoon spring stable stage stair star steam steel stem step stone storm
stove straw street string sugar sun swan table tail tea tent thorn thumb tide tiger toad toast tool tooth tower town
toy track train tray tree trout truck tune turtle uncle valley van vase veil vest vine violin voice wagon wall walnut
wand wash wasp watch water wave wax week well west whale wheat wheel wind window wing winter wire wolf wood wool
word worm wrist yard year zebra zinc
""".split()

NAMES = [(name, gender) for gender, names in (("f", """
Ada Agnes Alice Amara Amy Anna Astrid Aya Beatrice Bella Carla Carmen Cecilia Chloe Clara Daisy Diana Dora Edith Elena
Ella Emma Esther Eva Fatima Fiona Flora Freya Gina Grace Greta Hana Hannah Helen Ida Ines Irene Isabel Ivy Jane Joan
Judith Julia Karen Laura Leila Lily Lucy Maria Martha Mei Mona Nadia Nina Nora Olga Olivia Priya Rosa Ruth
"""), ("m", """
Aaron Adam Ahmed Albert Amir Anton Arthur Ben Boris Bruno Carlos Cyril Daniel David Diego Edgar Elias Emil Eric Felix
Frank Fred George Gustav Hans Harold Henry Hugo Ian Igor Isaac Ivan Jack James John Jonas Kenji Kevin Leo Liam Louis
Luca Marco Mark Martin Miguel Milan Nathan Nils Oliver Omar Oscar Otto Paul Peter Ravi Simon Theo Victor Walter
""")) for name in names.split()]

FIRST_NAMES = [name for name, _ in NAMES]

NOUNS = [tuple(pair.split("/")) for pair in """
apple/apples baker/bakers ball/balls barrel/barrels basket/baskets bell/bells bench/benches berry/berries boat/boats
book/books bottle/bottles box/boxes branch/branches bridge/bridges brush/brushes button/buttons candle/candles
carpet/carpets chair/chairs cherry/cherries child/children clock/clocks coin/coins cup/cups dish/dishes doctor/doctors
drum/drums engine/engines farmer/farmers flag/flags flute/flutes fork/forks glass/glasses hammer/hammers hat/hats
key/keys knife/knives ladder/ladders lamp/lamps leaf/leaves letter/letters map/maps mirror/mirrors needle/needles
nurse/nurses painter/painters pencil/pencils piano/pianos pilot/pilots plate/plates potato/potatoes ring/rings
rope/ropes shelf/shelves spoon/spoons stone/stones table/tables teacher/teachers tomato/tomatoes violin/violins
""".split()]

VERBS = """
admires borrows breaks brings buys carries chooses counts draws drops finds follows forgets hides holds keeps lifts
moves paints pushes repairs sells sketches watches wants
""".split()

ADJECTIVES = """
ancient big blue bright brown clean cold dark empty green grey heavy light long narrow old plain red round shiny small
soft strange tall yellow
""".split()

PLACES = """
airport bakery bank beach bridge cafe castle factory farm forest garden harbour hospital library market museum park
school station theatre
""".split()

ANIMALS = dict(  # legs that nobody disputes; all plurals take an s
    snake=0, worm=0, dolphin=0, eel=0, shark=0, duck=2, chicken=2, swan=2, eagle=2, owl=2, cow=4, horse=4, dog=4,
    cat=4, goat=4, frog=4, lizard=4, ant=6, bee=6, beetle=6, wasp=6, spider=8, scorpion=8, crab=10)

ANAGRAMS = [line.split() for line in """
arc car; arm ram mar; art rat tar; ate eat tea; dog god; ear are era; now own won; pat tap apt; pit tip; pot top opt
saw was; act cat; bat tab; tan ant; evil live vile veil; item time emit mite; lame male meal; leap pale plea peal
mace came acme; name mean mane amen; nape pane neap; pots stop spot tops opts; rats star tsar arts; east seat teas eats
read dear dare; ring grin; shoe hose hoes; stew west wets; tied diet edit tide; tale late teal; angel angle glean
below elbow bowel; bread beard bared debar; earth heart hater; least steal slate tales stale; night thing
north thorn; notes stone onset tones; ocean canoe; pears spare spear pares reaps; petal plate pleat; skate steak stake
taste state; trace crate cater react
""".replace("\n", ";").split(";") if line.split()]

# Three-letter words: changing one letter at a time leads from any of them to any other.
THREE = """
ace act add age ago aid aim air and ant any ape apt arc are ark arm art ash ask ate awe axe bad bag ban bar bat bay bed
bee beg bet bid big bin bit boa bog bow box boy bud bug bun bus but buy cab can cap car cat cod cog cop cot cow cry cub
cue cup cut dab dad dam day den dew did die dig dim din dip dog dot dry dub due dug dye ear eat eel egg ego end eve eye
fad fan far fat fed fee few fig fin fir fit fix fly foe fog for fox fry fun fur gap gas gel gem get gig gin god got gum
gun gut guy gym had ham has hat hay hem hen her hid him hip his hit hog hop hot how hub hue hug hum hut ice icy ink inn
ion ivy jab jam jar jaw jet job jog joy jug kid kin kit lab lad lag lap law lay led leg let lid lie lip lit log lot low
mad man map mat may men met mix mob mop mow mud mug nap net new nib nil nip nod nor not now nun nut oak oar oat odd oil
old one orb ore our out owe owl own pad pal pan par pat paw pay pea peg pen pet pie pig pin pit pod pop pot pub pun put
rag ram ran rap rat raw ray red rib rid rig rim rip rob rod rot row rub rug run rut rye sad sap sat saw say sea see set
sew she shy sin sip sir sit six sky sob son sow soy spa spy sub sum sun tab tag tan tap tar tax tea ten the tie tin tip
toe ton too top toy try tub tug two van vat vet wag war was wax way web wed wet who why wig win wit won yes yet zip zoo
""".split()
